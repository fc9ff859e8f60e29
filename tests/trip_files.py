"""Parquet files as TLC writes them, of any size, for the tests of the training's data."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

JANUARY = np.datetime64("2023-01-01T00:00:00", "us")


def columns(count: int, *, taxi: str = "green", seed: int = 0) -> dict[str, Any]:
    """Trips of 10 minutes in January 2023, at random times, zones and distances."""
    letter = taxi[0].replace("g", "l").replace("y", "t")
    rng = np.random.default_rng(seed)
    pickup = JANUARY + rng.integers(0, 31 * 86_400, count).astype("timedelta64[s]")
    return {
        f"{letter}pep_pickup_datetime": pickup,
        f"{letter}pep_dropoff_datetime": pickup + np.timedelta64(10, "m"),
        "PULocationID": rng.integers(1, 266, count),
        "DOLocationID": rng.integers(1, 266, count),
        "trip_distance": rng.random(count) * 10,
    }


def parquet(table: dict[str, Any]) -> bytes:
    """The bytes of a parquet file: 40 a row, and as many for the same columns of other values."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(table), buffer, compression="none", use_dictionary=False)
    return buffer.getvalue()


def write(path: Path, table: dict[str, Any]) -> Path:
    path.write_bytes(parquet(table))
    return path
