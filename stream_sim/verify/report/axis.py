"""Chart axes: where values lie, and which are labelled.

Positions are percentages of the axis, so a chart is as wide as its page. Matplotlib chooses the
ticks of linear axes; nothing is drawn with it.
"""

import math
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from matplotlib.ticker import MaxNLocator

from stream_sim.verify.report.words import milliseconds, number

_STEPS: Final = [1, 2, 2.5, 5, 10]
_TIME_STEPS: Final = [1, 2, 3, 6, 10]
_DECADES: Final = [10.0**power for power in range(-1, 10)]
"""Milliseconds, beyond the largest latency class."""
_LOG_TICKS: Final = [decade * times for decade in _DECADES for times in (1, 2, 5)]
_DECADES_ALONE: Final = 150.0
"""Above this ratio, labels of all ticks would overlap on a narrow screen."""
_LOG_RATIO: Final = 20.0
"""If the largest value is that many times the smallest, a linear axis flattens the small ones."""


class Tick(msgspec.Struct, frozen=True):
    """A label at `percent` of the axis."""

    percent: float
    label: str


class Axis(msgspec.Struct, frozen=True):
    """From `low` to `high`, which differ; `log`: equal ratios are equally far apart."""

    low: float
    high: float
    log: bool
    ticks: list[Tick] = []

    def percent(self, value: float) -> float:
        """The position of a value: 0 at `low`, 100 at `high`."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return round(100 * (at - low) / (high - low), 2)


def from_zero(most: float, label: Callable[[float], str] = number) -> Axis:
    """Linear, from 0 to the first tick at or above `most`."""
    ticks = MaxNLocator(5, steps=_STEPS).tick_values(0.0, most or 1.0)
    return _ticked(Axis(0.0, float(ticks[-1]), log=False), ticks, label)


def logarithmic(least: float, most: float, label: Callable[[float], str] = milliseconds) -> Axis:
    """Milliseconds, above 0, from the tick below `least` to the one above `most`."""
    low = max(tick for tick in _LOG_TICKS if tick < least)
    high = min(tick for tick in _LOG_TICKS if tick > most)
    ticks = _DECADES if high / low > _DECADES_ALONE else _LOG_TICKS
    return _ticked(Axis(low, high, log=True), ticks, label)


def of_latency(least: float, most: float) -> Axis:
    """Milliseconds, above 0: linear from 0, or logarithmic if they are far apart."""
    return logarithmic(least, most) if most / least > _LOG_RATIO else from_zero(most, milliseconds)


def of_time(seconds: float) -> Axis:
    """From a run's start to `seconds` (above 0) after it, in a unit that keeps numbers small."""
    units = ((1, "s", 180.0), (60, "min", 10_800.0), (3600, "h", math.inf))
    unit, name = next((unit, name) for unit, name, most in units if seconds <= most)
    ticks = MaxNLocator(7, steps=_TIME_STEPS).tick_values(0.0, seconds / unit)
    at = [tick * unit for tick in ticks]
    return _ticked(Axis(0.0, seconds, log=False), at, lambda s: f"{s / unit:,g} {name}")


def _ticked(axis: Axis, at: Iterable[float], label: Callable[[float], str]) -> Axis:
    inside = [float(value) for value in at if axis.low <= value <= axis.high]
    ticks = [Tick(axis.percent(value), label(value)) for value in inside]
    return msgspec.structs.replace(axis, ticks=ticks)
