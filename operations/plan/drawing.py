"""Plots cost against rate, from 1 to 1,000,000 rides/s."""

import io
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from operations.plan import costs, needs
from operations.plan.basis import Basis
from operations.plan.item import MONTH_SECONDS
from operations.plan.limits import MOST_RIDES_A_SECOND, Limit
from operations.plan.plan import DeploymentPlan
from operations.plan.variables import Deployment
from operations.plan.workload import workload

_BLUE: Final = "#0072B2"
_ORANGE: Final = "#D55E00"
_BLACK: Final = "#1C1C1E"
_GREY: Final = "#767676"
_PALE: Final = "#D9D9D9"
"""From Okabe and Ito's palette (Color Universal Design, 2008), as in the training figures."""

_POINTS: Final = 73
_NEAR: Final = 1.2
"""Limits whose rates differ by less than this factor share a mark."""


class Line(NamedTuple):
    """Dollars per month at each rate, for one way to deploy."""

    label: str
    rates: NDArray[np.float64]
    usd: NDArray[np.float64]
    colour: str
    style: str


def draw(plan: DeploymentPlan, deployment: Deployment, basis: Basis) -> Figure:
    """Plots dollars per month and dollars per million rides over a shared rate axis."""
    rates = np.geomspace(1, MOST_RIDES_A_SECOND, _POINTS)
    figure = Figure(figsize=(9.6, 10.2), layout="constrained", facecolor="white")
    axes = month, million = figure.subplots(2, 1, sharex=True)
    for line in _lines(rates, deployment, basis):
        _plot(axes, line, 1.8)
    _plot(axes, _own_line(rates, plan, deployment, basis), 2.6)
    asked = f"{plan.rides_per_second:,.10g} rides/s: \\${plan.total.month_usd:,.0f} a month"
    for one, usd in zip(axes, msgspec.structs.astuple(plan.total), strict=True):
        one.plot([plan.rides_per_second], [usd], color=_BLACK, marker="o", ls="none", label=asked)
    _finish(month, "US dollars a month")
    _finish(million, "US dollars a million rides")
    million.set_xlabel("rides a second", fontsize=11)
    month.set_title(
        f"What {plan.tfvars} costs, {plan.region}, prices as known on {plan.prices_known_as_of}",
        fontsize=13,
        loc="left",
        pad=24,
    )
    month.legend(fontsize=10, frameon=False, loc="upper left")
    notes = [_mark(axes, plan.limits, named=axes is month) for axes in (month, million)]
    figure.text(0.0, -0.01, notes[0], fontsize=10, va="top", color=_BLACK, family="monospace")
    return figure


def png(figure: Figure) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120, bbox_inches="tight", pad_inches=0.2)
    return image.getvalue()


def _lines(rates: NDArray[np.float64], deployment: Deployment, basis: Basis) -> list[Line]:
    """Four alternative deployments: shards as needed or on-demand, each with or without packing."""
    found = []
    for packing, style, words in (
        ("none", "-", "one prediction a record"),
        ("kpl", "--", "many predictions a record"),
    ):
        packed = msgspec.structs.replace(deployment, output_aggregation=packing)
        on_demand = msgspec.structs.replace(packed, events_shards=None, predictions_shards=None)
        usd = [costs.month_usd(rate, _as_needed(rate, packed, basis), basis) for rate in rates]
        found.append(Line(f"shards as needed, {words}", rates, np.array(usd), _BLUE, style))
        usd = [costs.month_usd(rate, on_demand, basis) for rate in rates]
        found.append(Line(f"on-demand, {words}", rates, np.array(usd), _ORANGE, style))
    return found


def _as_needed(rides: float, deployment: Deployment, basis: Basis) -> Deployment:
    """The deployment with the fewest shards that carry the rate."""
    one_shard = msgspec.structs.replace(deployment, events_shards=1, predictions_shards=1)
    needed = needs.needs(workload(rides, one_shard, basis), one_shard, basis)
    return msgspec.structs.replace(
        deployment,
        events_shards=needed.events_shards,
        predictions_shards=needed.predictions_shards,
        parallelization_factor=needed.parallelization_factor,
    )


def _own_line(
    rates: NDArray[np.float64], plan: DeploymentPlan, deployment: Deployment, basis: Basis
) -> Line:
    """The deployment as configured, up to its first limit."""
    end = min(plan.first_limit.rides_per_second, MOST_RIDES_A_SECOND)
    within = np.append(rates[rates < end], end)
    usd = np.array([costs.month_usd(rate, deployment, basis) for rate in within])
    return Line(f"{plan.tfvars}, as far as it carries", within, usd, _BLACK, "-")


def _plot(axes: tuple[Axes, Axes], line: Line, width: float) -> None:
    """Plots dollars per month on the first axes, dollars per million rides on the second."""
    million = line.usd / (line.rates * MONTH_SECONDS) * 1e6
    for one, usd in zip(axes, (line.usd, million), strict=True):
        one.plot(line.rates, usd, color=line.colour, ls=line.style, lw=width, label=line.label)


def _mark(axes: Axes, found: Sequence[Limit], *, named: bool) -> str:
    """Draws numbered vertical lines at the limits; returns a legend for the numbers."""
    within = [limit for limit in found if 1 <= limit.rides_per_second <= MOST_RIDES_A_SECOND]
    lines = []
    marked: list[tuple[float, list[int]]] = []
    for number, limit in enumerate(within, start=1):
        rate = limit.rides_per_second
        lines.append(f"{number}   {rate:>11,.0f} rides/s   {limit.name}")
        if marked and rate / marked[-1][0] < _NEAR:
            marked[-1][1].append(number)
        else:
            marked.append((rate, [number]))
        axes.axvline(rate, color=_GREY, linestyle=":", linewidth=1.2)
    for rate, numbers in marked if named else ():
        axes.annotate(
            ", ".join(map(str, numbers)),
            (rate, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=10,
            color=_GREY,
        )
    head = "Where the variables' limits are reached (dotted):"
    return "\n".join([head, *lines]) if lines else "None of the limits is reached in this range."


def _finish(axes: Axes, label: str) -> None:
    axes.set(xscale="log", yscale="log", xlim=(1, MOST_RIDES_A_SECOND))
    axes.set_ylabel(label, fontsize=11)
    axes.tick_params(labelsize=10, labelbottom=True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=_PALE, linewidth=0.6)
    axes.set_axisbelow(True)
