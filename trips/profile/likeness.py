"""Distances between sets of trips, from 0 (identical) to 1 (disjoint).

The yardstick is two consecutive months: drawn rides may be twice as far from a month.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from infra.common.console import UserError
from ride_scoring.domain.features import pair_number
from trips.columns import Trips
from trips.profile.week import hour_of_week

MOST_TIMES: Final = 2.0

_Column = Callable[[Trips], NDArray[np.generic]]
_QUANTITIES: Final[Mapping[str, _Column]] = {
    "distance (KS)": lambda trips: trips.distance_miles,
    "duration (KS)": lambda trips: trips.duration_minutes,
    "hour (KS)": lambda trips: hour_of_week(trips.pickup) % 24,
}
"""Compared by the Kolmogorov-Smirnov distance."""
_PLACES: Final[Mapping[str, _Column]] = {
    "pickup zone (JS)": lambda trips: trips.pickup_zone,
    "dropoff zone (JS)": lambda trips: trips.dropoff_zone,
    "pair of zones (JS)": lambda trips: pair_number(trips.pickup_zone, trips.dropoff_zone),
}
"""Compared by the Jensen-Shannon distance, base 2."""


class Measure(msgspec.Struct, frozen=True):
    """Distances from a month's rides to drawn rides and to its neighbour's, by one measure."""

    name: str
    drawn: float
    neighbour: float
    times: float
    kept: bool


def compare(drawn: Trips, month: Trips, neighbour: Trips) -> list[Measure]:
    """Computes all measures; none of the three sets may be empty.

    Raises `UserError` if the month and its neighbour do not differ by some measure.
    """
    to_drawn, to_neighbour = distances(drawn, month), distances(month, neighbour)
    measures = []
    for name, distance in to_drawn.items():
        other = to_neighbour[name]
        if not other:
            raise UserError(f"the two files do not differ in {name}: name two months' trips")
        times = distance / other
        measures.append(Measure(name, distance, other, times, times <= MOST_TIMES))
    return measures


def distances(one: Trips, other: Trips) -> dict[str, float]:
    """The distance between two sets of trips by each measure."""
    of_quantities = {
        name: float(ks_2samp(column(one), column(other)).statistic)
        for name, column in _QUANTITIES.items()
    }
    of_places = {name: _of_shares(column(one), column(other)) for name, column in _PLACES.items()}
    return of_quantities | of_places


def _of_shares(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    names, place = np.unique(np.concatenate([one, other]), return_inverse=True)
    counts = [np.bincount(part, minlength=len(names)) for part in np.split(place, [len(one)])]
    return float(jensenshannon(*counts, base=2))
