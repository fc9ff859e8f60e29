"""Columnar trips, which the simulator draws, replays and sends, and training learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain.events import Ride


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
        """The trips selected by a mask, indices or a slice."""
        return Trips(
            self.pickup[chosen],
            self.duration_minutes[chosen],
            self.pickup_zone[chosen],
            self.dropoff_zone[chosen],
            self.distance_miles[chosen],
        )

    def rides(self) -> list[Ride]:
        """What is known of each trip at its start."""
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


def concatenated(parts: Sequence[Trips]) -> Trips:
    """Concatenates one or more sets of trips, in order."""
    return Trips(
        pickup=np.concatenate([trips.pickup for trips in parts]),
        duration_minutes=np.concatenate([trips.duration_minutes for trips in parts]),
        pickup_zone=np.concatenate([trips.pickup_zone for trips in parts]),
        dropoff_zone=np.concatenate([trips.dropoff_zone for trips in parts]),
        distance_miles=np.concatenate([trips.distance_miles for trips in parts]),
    )
