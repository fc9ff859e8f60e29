"""What a profile knows of rides: shares, typical values and quantiles, and no ride.

A statistic rests on at least `LEAST_RIDES` rides; what fewer share goes into a broader one.
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
"""Fewer could be traced to the rides that they were."""
KNOTS: Final = 24
LOG_MILES_KNOTS: Final[FloatArray] = np.linspace(np.log(0.2), np.log(25.0), KNOTS)
"""Even steps: from a few blocks to the airports."""
QUANTILES: Final = 101


def nearest_knot(log_miles: FloatArray) -> IntArray:
    """Its place in `LOG_MILES_KNOTS`, of the shape of `log_miles`."""
    step = LOG_MILES_KNOTS[1] - LOG_MILES_KNOTS[0]
    place: IntArray = np.rint((log_miles - LOG_MILES_KNOTS[0]) / step).astype(np.int64)
    return place.clip(0, KNOTS - 1)


class Array(NamedTuple):
    """The shape of a statistic, None for the number of pairs, and the least and greatest value."""

    shape: tuple[int | None, ...]
    least: float
    greatest: float


def _shares(*shape: int | None) -> Array:
    return Array(shape, 0.0, 1.0)


def _factors(*shape: int | None) -> Array:
    return Array(shape, 1e-15, 1e15)


def _logarithms(*shape: int | None) -> Array:
    """Their sums stay far from what a float cannot hold."""
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
    """Arrays of the shapes in `ARRAYS`. A reach is a class of pairs, by how far apart they are.

    Raises `ValueError` where they are no statistics of rides.
    """

    rides_by_hour_of_week: FloatArray
    """Shares of all rides."""
    log_speed: FloatArray
    """By hour of the week: ln(speed / the mean's)."""
    pickup_zones: FloatArray
    """By period of the week: shares of its rides."""
    pairs: FloatArray
    """Pickup zone and dropoff zone of each pair that has rides enough for values of its own."""
    pair_rides: FloatArray
    """Shares of all rides."""
    pair_miles: FloatArray
    """ln(miles / `SCALE_MILES`), the mean."""
    pair_minutes: FloatArray
    """ln(minutes / those typical of the miles and the hour), the mean."""
    other_pickups: FloatArray
    """The share of all rides of any other pair is a product of three: one by pickup zone,"""
    other_dropoffs: FloatArray
    """one by dropoff zone,"""
    other_reaches: FloatArray
    """and one by reach."""
    other_miles: FloatArray
    """As `pair_miles`, by the boroughs of pickup and dropoff and by reach."""
    other_minutes: FloatArray
    """As `pair_minutes`, by the same."""
    no_miles: FloatArray
    """Share of rides whose distance is given as 0, by borough of the pickup and by reach."""
    miles_spread: FloatArray
    """Quantiles of ln(miles / expected), by reach, for other pairs and then for `pairs`."""
    knot_minutes: FloatArray
    """ln(minutes) typical of the miles of each of `LOG_MILES_KNOTS`."""
    minutes_spread: FloatArray
    """Quantiles of ln(minutes / expected), by the knot that is nearest to the miles."""
    fitted_to: str
    """The rides that it is of, in words."""

    def __post_init__(self) -> None:
        for name, array in ARRAYS.items():
            _require(getattr(self, name), len(self.pairs), array, name)
        if not (self.rides_by_hour_of_week.any() and self.pickup_zones.any(axis=1).all()):
            raise ValueError("hours without a ride")


def _require(values: FloatArray, pairs: int, array: Array, name: str) -> None:
    if values.shape != tuple(pairs if size is None else size for size in array.shape):
        raise ValueError(f"{name} of another shape")
    if not ((values >= array.least) & (values <= array.greatest)).all():  # NaN is neither
        raise ValueError(f"{name} out of range")
