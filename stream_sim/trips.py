"""Trips that were ridden: from TLC's trip records, or synthetic. Each has a true duration."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.console import UserError
from stream_sim import profile, trip_records
from stream_sim.trip_columns import Trips
from stream_sim.trip_records import TripRecords

__all__ = ["Trips", "of_records", "read", "synthetic"]


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


def synthetic(count: int, seed: int) -> Trips:
    """Trips of four weeks, in order of pickup, drawn from the profile that is shipped.

    The same seed gives the same trips.
    """
    shipped = profile.load()
    rng = np.random.default_rng(seed)
    return shipped.trips(np.sort(shipped.pickups(count, rng)), rng)
