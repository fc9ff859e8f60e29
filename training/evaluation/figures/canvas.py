"""Shared by all figures: size, fonts, colours, and rendering to an image.

Uses matplotlib's object API without pyplot: no global keeps figures, and threads may draw.
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
"""Blue and vermilion of Okabe and Ito's palette (Color Universal Design, 2008), which are
distinguishable with any colour vision."""

_TITLE_POINTS: Final = 13
_LABEL_POINTS: Final = 11
_TICK_POINTS: Final = 10
_DOTS_PER_INCH: Final = 144


def new_axes(
    title: str, x_label: str, y_label: str, height_inches: float = 4.6
) -> tuple[Figure, Axes]:
    """A figure 7.2 inches wide with one pair of axes; labels name their units."""
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
    """A legend over the data, where they leave room."""
    axes.legend(fontsize=_TICK_POINTS, framealpha=0.9, edgecolor="none", loc=place)


def legend_below(figure: Figure, axes: Axes) -> None:
    """A one-line legend under the axes."""
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
    """The figure as a PNG, reproducible byte for byte."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=_DOTS_PER_INCH)
    return image.getvalue()
