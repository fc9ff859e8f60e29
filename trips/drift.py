"""Simulates data drift by changing trips from a given arrival time on.

Each kind is an option value (`infra.common.spec`), such as `vanished:borough=Queens`. True
durations change as well, so that a model trained on earlier data becomes inaccurate.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from infra.common import spec
from ride_scoring.domain import zones
from trips import profile
from trips.columns import Trips, concatenated
from trips.profile.week import hour_of_week

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_KILOMETRES_A_MILE: Final = 1.609344
_RUSH_HOUR: Final = 17
_FRIDAY: Final = 4
_POOL_RIDES: Final = 1_000
"""Large enough that no borough appears in every ride."""
_YEAR_SECONDS: Final = 366 * 86_400.0


class Drift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes the trips that arrive `after_seconds` into the run or later."""

    after_seconds: Annotated[float, Meta(ge=0, le=_YEAR_SECONDS)] = 0.0

    def apply(self, trips: Trips, arrivals: FloatArray, rng: np.random.Generator) -> Trips:
        """Applies the drift to n trips; `arrivals` are seconds since the run began, shape (n,)."""
        since = arrivals - self.after_seconds
        if not (since >= 0).any():
            return trips
        return self._changed(trips, since, rng)

    @abc.abstractmethod
    def _changed(self, trips: Trips, since: FloatArray, rng: np.random.Generator) -> Trips:
        """Changes trips whose `since`, seconds since the drift began, is not negative."""


class Kilometres(Drift, frozen=True):
    """Reports distances in kilometres. Values above 200 are then rejected, because the function's
    valid range is in miles."""

    def _changed(self, trips: Trips, since: FloatArray, _: np.random.Generator) -> Trips:
        given = (trips.distance_miles * _KILOMETRES_A_MILE).round(2)
        return dataclasses.replace(
            trips, distance_miles=np.where(since >= 0, given, trips.distance_miles)
        )


class Vanished(Drift, frozen=True):
    """No ride starts or ends in a borough: rides that did are replaced by others of the n or, if
    there are none, by rides from the bundled profile."""

    borough: str = "Manhattan"

    def __post_init__(self) -> None:
        if self.borough not in zones.BOROUGHS:
            raise ValueError(
                f"no borough {self.borough!r}: {spec.nearest(self.borough, zones.BOROUGHS)}"
            )

    def _changed(self, trips: Trips, since: FloatArray, rng: np.random.Generator) -> Trips:
        touched = self._touched(trips)
        others = trips.where(~touched)
        if not len(others):
            drawn = profile.load().trips(np.resize(trips.pickup, _POOL_RIDES), rng)
            others = drawn.where(~self._touched(drawn))
        gone = np.flatnonzero(touched & (since >= 0))
        taken = np.arange(len(trips))
        taken[gone] = len(trips) + rng.integers(len(others), size=len(gone))
        return concatenated([trips, others]).where(taken)

    def _touched(self, trips: Trips) -> Mask:
        number = zones.BOROUGHS.index(self.borough)
        start, end = (
            zones.borough_numbers(zone.astype(np.float64))
            for zone in (trips.pickup_zone, trips.dropoff_zone)
        )
        touched: Mask = (start == number) | (end == number)
        return touched


class RushHour(Drift, frozen=True):
    """Moves all rides to 17:00 to 18:00 on a weekday, with the speeds of that hour.

    Weekend rides move to the preceding Friday.
    """

    def _changed(self, trips: Trips, since: FloatArray, _: np.random.Generator) -> Trips:
        day = trips.pickup.astype("datetime64[D]")
        weekend = np.maximum(hour_of_week(trips.pickup) // 24 - _FRIDAY, 0)
        in_hour = trips.pickup - trips.pickup.astype("datetime64[h]")
        rush = day - weekend.astype("timedelta64[D]") + np.timedelta64(_RUSH_HOUR, "h") + in_hour
        pickup = np.where(since >= 0, rush, trips.pickup)
        log_speed = profile.load().statistics.log_speed
        slower = np.exp(log_speed[hour_of_week(trips.pickup)] - log_speed[hour_of_week(pickup)])
        return dataclasses.replace(
            trips, pickup=pickup, duration_minutes=trips.duration_minutes * slower
        )


class Growth(Drift, frozen=True):
    """Trip distances and durations grow by a share of their original value per minute."""

    per_minute: Annotated[float, Meta(gt=0, le=1)] = 0.05

    def _changed(self, trips: Trips, since: FloatArray, _: np.random.Generator) -> Trips:
        times = 1 + self.per_minute * np.maximum(since, 0) / 60
        return dataclasses.replace(
            trips,
            duration_minutes=trips.duration_minutes * times,
            distance_miles=(trips.distance_miles * times).round(2),
        )


DRIFTS: Final[Mapping[str, type[Drift]]] = {
    "kilometres": Kilometres,
    "vanished": Vanished,
    "rush-hour": RushHour,
    "growth": Growth,
}
"""Drifts by name in the option value."""
