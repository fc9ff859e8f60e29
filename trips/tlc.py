"""Trips from TLC's trip records, each with its true duration."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.common.console import UserError
from trips import trip_records
from trips.columns import Trips
from trips.trip_records import TripRecords


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
