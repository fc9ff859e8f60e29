"""Slices of trips that are evaluated separately.

A mean over all rides hides boroughs, hours or distances on which a model fails.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain.features import pair_number
from ride_scoring.domain.slices import BOROUGH, DISTANCE, DISTANCE_EDGES_MILES, HOUR, PAIR
from ride_scoring.domain.zones import BOROUGHS, borough_numbers
from trips.columns import Trips


@dataclass(frozen=True)
class Slice:
    """The rides with one value in one dimension: a mask of shape (n,)."""

    dimension: str
    value: str
    mask: NDArray[np.bool_]


def slices(trips: Trips, seen: NDArray[np.bool_]) -> list[Slice]:
    """The non-empty slices of n trips, in the order of their dimensions.

    `seen`: which rides' zone pairs occur in the training data, shape (n,); see `seen_pairs`. Raises
    `ValueError` if it has another shape.
    """
    if seen.shape != (len(trips),):
        raise ValueError(f"seen is of shape {seen.shape}: it must be ({len(trips)},)")
    every = (*_boroughs(trips), *_hours(trips), *_distances(trips), *_pairs(seen))
    return [part for part in every if part.mask.any()]


def seen_pairs(learned: NDArray[np.int64], trips: Trips) -> NDArray[np.bool_]:
    """Which of n trips have an ordered zone pair that is in `learned`."""
    return np.isin(pairs(trips), learned)


def pairs(trips: Trips) -> NDArray[np.int64]:
    """The ordered zone pairs of n trips as numbers, like the catalogue's PU_DO; shape (n,)."""
    return pair_number(trips.pickup_zone, trips.dropoff_zone)


def _boroughs(trips: Trips) -> Iterator[Slice]:
    of_ride = borough_numbers(trips.pickup_zone.astype(np.float64))
    for number, name in enumerate(BOROUGHS):
        yield Slice(BOROUGH, name, of_ride == number)


def _hours(trips: Trips) -> Iterator[Slice]:
    day = trips.pickup.astype("datetime64[D]")
    of_ride = (trips.pickup - day) // np.timedelta64(1, "h")
    for hour in range(24):
        yield Slice(HOUR, f"{hour:02d}", of_ride == hour)


def _distances(trips: Trips) -> Iterator[Slice]:
    miles = trips.distance_miles
    # TLC writes 0 if the meter recorded nothing: such rides may have any distance.
    yield Slice(DISTANCE, "not recorded", miles == 0)
    for low, high in itertools.pairwise(DISTANCE_EDGES_MILES):
        name = f"{low:g} to {high:g} miles" if np.isfinite(high) else f"{low:g} miles or more"
        yield Slice(DISTANCE, name, (miles >= low) & (miles < high) & (miles > 0))


def _pairs(seen: NDArray[np.bool_]) -> Iterator[Slice]:
    yield Slice(PAIR, "seen in training", seen)
    yield Slice(PAIR, "not seen in training", ~seen)
