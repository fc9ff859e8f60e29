"""Figures that compare values with their confidence intervals."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.evaluation.evaluation import Evaluation, SliceMetrics
from training.evaluation.figures.canvas import BLACK, BLUE, ORANGE, legend_below, new_axes
from training.evaluation.importance import Importance
from training.evaluation.interval import Interval

_ROW_INCHES: Final = 0.46
_FRAME_INCHES: Final = 1.6
_ALL_RIDES: Final = "all rides"


def rmse_by_hour(evaluation: Evaluation, parts: Sequence[SliceMetrics]) -> Figure:
    """RMSE by hour of the day; the slices' values are the hours."""
    figure, axes = new_axes("RMSE by hour of pickup", "hour of the day, New York", "RMSE (minutes)")
    _dots(axes, [int(part.value) for part in parts], *_rmse(parts), upright=True)
    axes.axhline(evaluation.metrics.rmse_minutes, color=ORANGE, linestyle="--", label=_ALL_RIDES)
    axes.set(xlim=(-0.6, 23.6), xticks=range(0, 24, 2))
    axes.set_ylim(bottom=0)
    legend_below(figure, axes)
    return figure


def rmse_by(dimension: str, evaluation: Evaluation, parts: Sequence[SliceMetrics]) -> Figure:
    """RMSE of the slices of one dimension, one row each, with their number of rides."""
    figure, axes = new_axes(f"RMSE by {dimension}", "RMSE (minutes)", "", _height(len(parts)))
    _dots(axes, range(len(parts)), *_rmse(parts), upright=False)
    _name_rows(axes, [f"{part.value}\n{_rides(part)}" for part in parts])
    axes.axvline(evaluation.metrics.rmse_minutes, color=ORANGE, linestyle="--", label=_ALL_RIDES)
    axes.set_xlim(left=0)
    legend_below(figure, axes)
    return figure


def models_compared(evaluations: Mapping[str, Evaluation]) -> Figure:
    """RMSE of each model with its interval, best first. The axis does not start at 0."""
    names = sorted(evaluations, key=lambda name: evaluations[name].metrics.rmse_minutes)
    found = [evaluations[name] for name in names]
    figure, axes = new_axes(
        "Models by RMSE on the same rides", "RMSE (minutes)", "", _height(len(names))
    )
    rmse = [evaluation.metrics.rmse_minutes for evaluation in found]
    intervals = [evaluation.intervals.get("rmse_minutes") for evaluation in found]
    _dots(axes, range(len(names)), rmse, intervals, upright=False)
    _name_rows(axes, [_wrapped(name) for name in names])
    axes.margins(x=0.1)
    legend_below(figure, axes)
    return figure


def importance_of_groups(importance: Importance) -> Figure:
    """Increase in RMSE when an attribute of the ride is shuffled among the rides."""
    groups = importance.groups
    figure, axes = new_axes(
        "What the predictions depend on",
        "rise of the RMSE when it is shuffled (minutes)",
        "",
        _height(len(groups)),
    )
    axes.barh(
        range(len(groups)),
        [increase.mean_minutes for increase in groups.values()],
        xerr=[increase.std_minutes for increase in groups.values()],
        color=BLUE,
        error_kw={"ecolor": BLACK, "capsize": 5, "elinewidth": 2},
        height=0.55,
        label="mean and standard deviation over the repeats",
    )
    _name_rows(axes, list(groups))
    legend_below(figure, axes)
    return figure


def _rmse(parts: Sequence[SliceMetrics]) -> tuple[list[float], list[Interval | None]]:
    values = [part.metrics.rmse_minutes for part in parts]
    return values, [part.rmse_interval for part in parts]


def _dots(
    axes: Axes,
    places: Sequence[int],
    values: Sequence[float],
    intervals: Sequence[Interval | None],
    *,
    upright: bool,
) -> None:
    """Points with their intervals; hollow if there are too few rides for an interval."""
    known = [place for place, interval in enumerate(intervals) if interval is not None]
    unknown = [place for place, interval in enumerate(intervals) if interval is None]
    if known:
        x, y = _points(places, values, known, upright=upright)
        lengths = np.array([_lengths(values[i], intervals[i]) for i in known]).T
        axes.errorbar(
            x,
            y,
            xerr=None if upright else lengths,
            yerr=lengths if upright else None,
            fmt="o",
            color=BLUE,
            capsize=4,
            markersize=6,
            label="RMSE and its 95 % interval",
        )
    if unknown:
        x, y = _points(places, values, unknown, upright=upright)
        axes.plot(x, y, "o", color=BLUE, markerfacecolor="white", label="too few for an interval")


def _points(
    places: Sequence[int], values: Sequence[float], chosen: Sequence[int], *, upright: bool
) -> tuple[list[float], list[float]]:
    along, value = [float(places[i]) for i in chosen], [values[i] for i in chosen]
    return (along, value) if upright else (value, along)


def _lengths(value: float, interval: Interval | None) -> tuple[float, float]:
    """Error bar lengths below and above the value."""
    return (0.0, 0.0) if interval is None else (value - interval.low, interval.high - value)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Row 0 at the top, as in a table. A `$` is shown literally."""
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def _wrapped(name: str) -> str:
    """Wraps long names, to leave room for the axes."""
    return textwrap.fill(name, 28, max_lines=3, placeholder=" …")


def _rides(part: SliceMetrics) -> str:
    return "1 ride" if part.metrics.rides == 1 else f"{part.metrics.rides:,} rides"


def _height(rows: int) -> float:
    return _FRAME_INCHES + _ROW_INCHES * max(rows, 2)
