"""Trips that were ridden: from TLC's trip records, or synthetic. Each has a true duration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from infra.console import UserError
from ride_scoring.events import FIRST_ZONE, LAST_ZONE, Ride
from stream_sim import trip_records
from stream_sim.trip_records import TripRecords


@dataclass(frozen=True)
class Trips:
    """n trips in columns of shape (n,): New York local time, minutes, zones, miles."""

    pickup: NDArray[np.datetime64]
    duration_minutes: NDArray[np.float64]
    pickup_zone: NDArray[np.int64]
    dropoff_zone: NDArray[np.int64]
    distance_miles: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pickup)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> "Trips":
        """The trips that a mask, indices or a slice choose."""
        return Trips(
            self.pickup[chosen],
            self.duration_minutes[chosen],
            self.pickup_zone[chosen],
            self.dropoff_zone[chosen],
            self.distance_miles[chosen],
        )

    def rides(self) -> list[Ride]:
        """What was known of each trip when it started."""
        return [
            Ride(pickup_zone, dropoff_zone, distance, pickup)
            for pickup_zone, dropoff_zone, distance, pickup in zip(
                self.pickup_zone.tolist(),
                self.dropoff_zone.tolist(),
                self.distance_miles.tolist(),
                self.pickup.astype("datetime64[s]").tolist(),
                strict=True,
            )
        ]


def read(path: Path) -> Trips:
    """The trips in a parquet file of TLC's, green or yellow. Raises `UserError`.

    A trip without one of the five columns' values is left out: no ride event could carry it.
    """
    records = trip_records.read(path)
    if not records.complete.any():
        raise UserError(f"{path} holds no trips with times, zones and a distance: name another")
    return of_records(records, records.complete)


def of_records(records: TripRecords, chosen: NDArray[np.bool_]) -> Trips:
    """The trips of the records that a mask of shape (n,) chooses; each must be complete."""
    return Trips(
        pickup=records.pickup[chosen],
        duration_minutes=records.duration_minutes[chosen],
        pickup_zone=records.pickup_zone[chosen].astype(np.int64),
        dropoff_zone=records.dropoff_zone[chosen].astype(np.int64),
        distance_miles=records.distance_miles[chosen],
    )


_CITY_MILES: Final = 14.0
_STREETS_PER_LINE: Final = 1.35
"""Miles of street for a mile as the crow flies in a grid of streets."""
_MILES_AN_HOUR: Final = np.array(
    [
        16,
        17,
        18,
        19,
        20,
        19,
        16,
        13,
        11,
        11,
        11,
        11,
        11,
        11,
        11,
        10,
        10,
        10,
        11,
        12,
        13,
        14,
        15,
        15,
    ],
    dtype=np.float64,
)
"""By hour of the day: slow at work hours, free at night."""
_RIDES_BY_HOUR: Final = np.array(
    [2, 1, 1, 1, 1, 1, 2, 4, 5, 5, 5, 5, 5, 6, 6, 7, 7, 8, 8, 7, 5, 4, 4, 3], dtype=np.float64
)


def synthetic(count: int, seed: int) -> Trips:
    """Trips of a made-up city of 265 zones over four weeks; the same seed gives the same trips.

    Zones lie at random on a map, some far busier than others; near ones are likelier to be linked.
    A trip takes its distance at the speed of its hour, and time to get in and out.
    """
    # The city is the same whatever the seed: what one set of trips teaches holds for another.
    city = np.random.default_rng(20_230_114)
    zones = np.arange(FIRST_ZONE, LAST_ZONE + 1)
    position = city.uniform(0, _CITY_MILES, size=(len(zones), 2))
    busy = city.pareto(1.2, size=len(zones)) + 0.05
    miles = np.linalg.norm(position[:, None] - position[None, :], axis=2) * _STREETS_PER_LINE + 0.4
    linked = busy[None, :] * np.exp(-miles / 3.0)
    cumulative = np.cumsum(linked / linked.sum(axis=1, keepdims=True), axis=1)

    rng = np.random.default_rng(seed)
    start = rng.choice(len(zones), size=count, p=busy / busy.sum())
    drawn = rng.random(count)
    end = np.minimum((cumulative[start] < drawn[:, None]).sum(axis=1), len(zones) - 1)
    distance_miles = miles[start, end] * rng.lognormal(0.0, 0.18, size=count)
    hour = rng.choice(24, size=count, p=_RIDES_BY_HOUR / _RIDES_BY_HOUR.sum())
    day = rng.integers(0, 28, size=count)
    seconds = day * 86_400 + hour * 3_600 + rng.integers(0, 3_600, size=count)
    weekend = np.isin(day % 7, (5, 6))
    speed = _MILES_AN_HOUR[hour] * np.where(weekend, 1.15, 1.0) * rng.lognormal(0, 0.2, size=count)
    order = np.argsort(seconds, kind="stable")
    return Trips(
        pickup=np.datetime64("2023-01-02T00:00:00", "us") + seconds.astype("timedelta64[s]"),
        duration_minutes=distance_miles / speed * 60 + rng.gamma(2.0, 0.8, size=count),
        pickup_zone=zones[start],
        dropoff_zone=zones[end],
        distance_miles=distance_miles.round(2),
    ).where(order)
