"""What all figures share: size, type, colours, and how one becomes an image.

The object API alone, without pyplot: no figure is kept by a global, and threads may draw.
"""

import io
from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
BLACK: Final = "#1C1C1E"
GREY: Final = "#767676"
PALE: Final = "#D9D9D9"
"""Blue and vermilion of Okabe and Ito's palette (Color Universal Design, 2008), which people with
any colour vision tell apart."""

_TITLE_POINTS: Final = 13
_LABEL_POINTS: Final = 11
_TICK_POINTS: Final = 10
_DOTS_PER_INCH: Final = 144


def new_axes(
    title: str, x_label: str, y_label: str, height_inches: float = 4.6
) -> tuple[Figure, Axes]:
    """A figure of 7.2 inches with one pair of axes; labels name their units."""
    figure = Figure(figsize=(7.2, height_inches), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=_TITLE_POINTS, loc="left", pad=10)
    axes.set_xlabel(x_label, fontsize=_LABEL_POINTS)
    axes.set_ylabel(y_label, fontsize=_LABEL_POINTS)
    axes.tick_params(labelsize=_TICK_POINTS)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def legend(axes: Axes, place: Literal["best", "upper left", "lower left"] = "best") -> None:
    """Over the data, where they leave room."""
    axes.legend(fontsize=_TICK_POINTS, framealpha=0.9, edgecolor="none", loc=place)


def legend_below(figure: Figure, axes: Axes) -> None:
    """Under the axes, in one line."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower right",
        ncols=len(labels),
        fontsize=_TICK_POINTS,
        frameon=False,
    )


def png(figure: Figure) -> bytes:
    """The image, the same bytes for the same figure."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=_DOTS_PER_INCH)
    return image.getvalue()
