"""The contents of a profile: shares, typical values and quantiles, but no individual rides.

Each statistic rests on at least `LEAST_RIDES` rides; smaller groups are merged into broader ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trips.profile.places import BOROUGHS, REACHES, ZONES
from trips.profile.week import PERIODS, WEEK_HOURS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEAST_RIDES: Final = 5
"""With fewer, individual rides might be identifiable."""
KNOTS: Final = 24
LOG_MILES_KNOTS: Final[FloatArray] = np.linspace(np.log(0.2), np.log(25.0), KNOTS)
"""Evenly spaced, from a few blocks to the airports."""
QUANTILES: Final = 101


def nearest_knot(log_miles: FloatArray) -> IntArray:
    """Index of the nearest of `LOG_MILES_KNOTS`, in the shape of `log_miles`."""
    step = LOG_MILES_KNOTS[1] - LOG_MILES_KNOTS[0]
    place: IntArray = np.rint((log_miles - LOG_MILES_KNOTS[0]) / step).astype(np.int64)
    return place.clip(0, KNOTS - 1)


class Array(NamedTuple):
    """A statistic's shape, with None for the number of pairs, and its minimum and maximum."""

    shape: tuple[int | None, ...]
    least: float
    greatest: float


def _shares(*shape: int | None) -> Array:
    return Array(shape, 0.0, 1.0)


def _factors(*shape: int | None) -> Array:
    return Array(shape, 1e-15, 1e15)


def _logarithms(*shape: int | None) -> Array:
    """Bounded so that sums stay far from overflow."""
    return Array(shape, -12.0, 12.0)


ARRAYS: Final[Mapping[str, Array]] = {
    "rides_by_hour_of_week": _shares(WEEK_HOURS),
    "log_speed": _logarithms(WEEK_HOURS),
    "pickup_zones": _shares(PERIODS, ZONES),
    "pairs": Array((None, 2), 1, ZONES),
    "pair_rides": _shares(None),
    "pair_miles": _logarithms(None),
    "pair_minutes": _logarithms(None),
    "other_pickups": _factors(ZONES),
    "other_dropoffs": _factors(ZONES),
    "other_reaches": _factors(REACHES),
    "other_miles": _logarithms(BOROUGHS, BOROUGHS, REACHES),
    "other_minutes": _logarithms(BOROUGHS, BOROUGHS, REACHES),
    "no_miles": _shares(BOROUGHS, REACHES),
    "miles_spread": _logarithms(2 * REACHES, QUANTILES),
    "knot_minutes": _logarithms(KNOTS),
    "minutes_spread": _logarithms(KNOTS, QUANTILES),
}


@dataclass(frozen=True, eq=False)
class Statistics:
    """Arrays with the shapes in `ARRAYS`. A reach is a class of zone pairs by distance.

    Raises `ValueError` if the values are not valid ride statistics.
    """

    rides_by_hour_of_week: FloatArray
    """Shares of all rides."""
    log_speed: FloatArray
    """ln(speed / mean speed), by hour of the week."""
    pickup_zones: FloatArray
    """Shares of each period's rides."""
    pairs: FloatArray
    """Pickup and dropoff zone of each pair with enough rides for values of its own."""
    pair_rides: FloatArray
    """Shares of all rides."""
    pair_miles: FloatArray
    """Mean ln(miles / `SCALE_MILES`)."""
    pair_minutes: FloatArray
    """Mean ln(minutes / minutes typical of the distance and hour)."""
    other_pickups: FloatArray
    """Any other pair's share of all rides is the product of three factors: by pickup zone,"""
    other_dropoffs: FloatArray
    """by dropoff zone,"""
    other_reaches: FloatArray
    """and by reach."""
    other_miles: FloatArray
    """As `pair_miles`, by pickup borough, dropoff borough and reach."""
    other_minutes: FloatArray
    """As `pair_minutes`, by pickup borough, dropoff borough and reach."""
    no_miles: FloatArray
    """Share of rides with a recorded distance of 0, by pickup borough and reach."""
    miles_spread: FloatArray
    """Quantiles of ln(miles / expected) by reach, first for other pairs, then for `pairs`."""
    knot_minutes: FloatArray
    """Typical ln(minutes) at each of `LOG_MILES_KNOTS`."""
    minutes_spread: FloatArray
    """Quantiles of ln(minutes / expected), by the knot nearest to the distance."""
    fitted_to: str
    """Description of the rides it was fitted to."""

    def __post_init__(self) -> None:
        for name, array in ARRAYS.items():
            _require(getattr(self, name), len(self.pairs), array, name)
        if not (self.rides_by_hour_of_week.any() and self.pickup_zones.any(axis=1).all()):
            raise ValueError("hours without a ride")


def _require(values: FloatArray, pairs: int, array: Array, name: str) -> None:
    if values.shape != tuple(pairs if size is None else size for size in array.shape):
        raise ValueError(f"{name} of another shape")
    if not ((values >= array.least) & (values <= array.greatest)).all():  # NaN fails both
        raise ValueError(f"{name} out of range")
