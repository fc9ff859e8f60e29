"""Arrival shapes: what `--shape` names, as a factor on the rate at any second of the run.

Several shapes multiply. All but `diurnal` are defined by their keys alone; that one follows the
given share of rides by hour of the day.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.common import spec
from infra.common.console import UserError

Factor = Annotated[float, msgspec.Meta(ge=0.001, le=1000.0)]
"""Above 0, as a run waiting for a number of rides would never end; rejects `nan`, too."""
Seconds = Annotated[float, msgspec.Meta(ge=0.001, le=31_536_000.0)]


class Constant(msgspec.Struct, frozen=True):
    """The requested rate."""


class Ramp(msgspec.Struct, frozen=True):
    """From `start` to `end` times the rate within `seconds`, and constant after that."""

    start: Factor = 0.1
    end: Factor = 1.0
    seconds: Seconds = 60.0


class Steps(msgspec.Struct, frozen=True):
    """From `start` to `end` times the rate, in steps of `step` every `every_seconds`."""

    start: Factor = 1.0
    end: Factor = 4.0
    step: Factor = 1.0
    every_seconds: Seconds = 30.0


class Burst(msgspec.Struct, frozen=True):
    """`times` times the rate for `seconds` at the start of every `every_seconds`."""

    times: Factor = 10.0
    seconds: Seconds = 2.0
    every_seconds: Seconds = 30.0

    def __post_init__(self) -> None:
        if self.seconds >= self.every_seconds:
            raise ValueError("`seconds` of a burst must be fewer than `every_seconds`")


class Diurnal(msgspec.Struct, frozen=True):
    """A day of rides, from midnight, in `day_seconds` of the run; 1 times the rate on average.
    Pickup times follow it."""

    day_seconds: Seconds = 86_400.0


class Poisson(msgspec.Struct, frozen=True):
    """Random gaps, as between independent riders; without it they are even."""


Shape = Constant | Ramp | Steps | Burst | Diurnal | Poisson

SHAPES: Final[Mapping[str, type[Shape]]] = {
    "constant": Constant,
    "ramp": Ramp,
    "steps": Steps,
    "burst": Burst,
    "diurnal": Diurnal,
    "poisson": Poisson,
}


def parse(texts: Sequence[str]) -> list[Shape]:
    """The shapes named by the values of `--shape`. Raises `UserError`."""
    shapes = [spec.parse(text, SHAPES, "--shape") for text in texts]
    if sum(isinstance(shape, Diurnal) for shape in shapes) > 1:
        raise UserError("--shape diurnal is given twice: a run has one simulated clock")
    return shapes


def factor(
    shapes: Sequence[Shape], seconds: NDArray[np.float64], rides_by_hour: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The product of the shapes at each of `seconds` since the run began, shape (n,).

    `rides_by_hour` is the share of a day's rides in each of its hours, shape (24,).
    """
    product = np.ones_like(seconds)
    for shape in shapes:
        product *= _factor(shape, seconds, rides_by_hour)
    return product


def most(shapes: Sequence[Shape], rides_by_hour: NDArray[np.float64]) -> float:
    """An upper bound of the factor."""
    product = 1.0
    for shape in shapes:
        match shape:
            case Ramp(start, end) | Steps(start, end):
                product *= max(start, end)
            case Burst(times):
                product *= max(1.0, times)
            case Diurnal():
                product *= float(rides_by_hour.max()) * len(rides_by_hour)
    return product


def _factor(
    shape: Shape, seconds: NDArray[np.float64], rides_by_hour: NDArray[np.float64]
) -> NDArray[np.float64] | float:
    match shape:
        case Ramp(start, end, length):
            return start + (end - start) * np.minimum(seconds / length, 1.0)
        case Steps(start, end, step, every):
            way = step * (seconds // every)
            return np.minimum(start + way, end) if end > start else np.maximum(start - way, end)
        case Burst(times, length, every):
            return np.where(seconds % every < length, times, 1.0)
        case Diurnal(day):
            hours = len(rides_by_hour)
            middles = np.arange(hours) + 0.5
            now = seconds / day * hours
            return np.interp(now, middles, rides_by_hour * hours, period=hours)
        case Constant() | Poisson():
            return 1.0
