"""Reads trips with their true durations from TLC trip records."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.common.console import UserError
from trips import trip_records
from trips.columns import Trips
from trips.trip_records import TripRecords


def read(path: Path) -> Trips:
    """Reads the trips in a TLC parquet file, green or yellow. Raises `UserError`.

    Trips that lack a value in any of the five columns are skipped: no ride event could carry them.
    """
    records = trip_records.read(path)
    if not records.complete.any():
        raise UserError(f"{path} holds no trips with times, zones and a distance: name another")
    return of_records(records, records.complete)


def of_records(records: TripRecords, chosen: NDArray[np.bool_]) -> Trips:
    """The trips of the records selected by a mask of shape (n,); each must be complete."""
    return Trips(
        pickup=records.pickup[chosen],
        duration_minutes=records.duration_minutes[chosen],
        pickup_zone=records.pickup_zone[chosen].astype(np.int64),
        dropoff_zone=records.dropoff_zone[chosen].astype(np.int64),
        distance_miles=records.distance_miles[chosen],
    )
