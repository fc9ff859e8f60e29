"""Trips to fit a profile to, each with its groups."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain.events import FIRST_ZONE
from trips import rules
from trips.columns import Trips
from trips.durations import has_usual_duration
from trips.profile.places import BOROUGH_OF, BOROUGHS, REACH, REACHES, ZONES
from trips.profile.statistics import LEAST_RIDES, IntArray
from trips.profile.week import hour_of_week


def usual(trips: Trips) -> Trips:
    """The trips that the function can score and that took a minute to an hour: profiles are
    fitted and compared on these."""
    return trips.where(has_usual_duration(trips.duration_minutes) & rules.scorable(trips))


@dataclass(frozen=True)
class Ridden:
    """n usual trips and their groups, in columns of shape (n,).

    `counts` holds rides by pair of zones, shape (ZONES, ZONES).
    """

    trips: Trips
    counts: IntArray

    @functools.cached_property
    def own(self) -> NDArray[np.bool_]:
        """The pairs with enough rides for values of their own, shape (ZONES, ZONES)."""
        return self.counts >= LEAST_RIDES

    @functools.cached_property
    def zones(self) -> tuple[IntArray, IntArray]:
        """Zero-based pickup and dropoff zones: an index into arrays by pair."""
        return self.trips.pickup_zone - FIRST_ZONE, self.trips.dropoff_zone - FIRST_ZONE

    @functools.cached_property
    def hour(self) -> IntArray:
        """The hour of the week."""
        return hour_of_week(self.trips.pickup)

    @functools.cached_property
    def reach(self) -> IntArray:
        """The reach (distance class) of the pair of zones."""
        return REACH[self.zones]

    @functools.cached_property
    def borough_reach(self) -> IntArray:
        """The pickup borough and the reach, combined into one number."""
        return BOROUGH_OF[self.zones[0]] * REACHES + self.reach

    @functools.cached_property
    def boroughs_reach(self) -> IntArray:
        """Both boroughs and the reach, combined into one number."""
        start, end = (BOROUGH_OF[zone] for zone in self.zones)
        return (start * BOROUGHS + end) * REACHES + self.reach

    @functools.cached_property
    def is_own(self) -> NDArray[np.bool_]:
        """Whether the ride's pair has values of its own."""
        is_own: NDArray[np.bool_] = self.own[self.zones]
        return is_own

    @functools.cached_property
    def own_pair(self) -> IntArray:
        """Index of the pair among the `own` pairs, shape (number of rides where `is_own`,)."""
        numbers = np.cumsum(self.own).reshape(self.own.shape) - 1
        return numbers[self.zones][self.is_own]

    def metered(self) -> "Ridden":
        """The trips with a distance above 0."""
        return Ridden(self.trips.where(self.trips.distance_miles > 0), self.counts)


def ridden(trips: Trips) -> Ridden:
    """Groups usual trips."""
    start, end = trips.pickup_zone - FIRST_ZONE, trips.dropoff_zone - FIRST_ZONE
    counts = np.bincount(start * ZONES + end, minlength=ZONES * ZONES)
    return Ridden(trips, counts.reshape(ZONES, ZONES))
