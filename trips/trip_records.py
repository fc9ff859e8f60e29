"""Reads five columns of TLC trip records from a parquet file.

No records are dropped here. Missing values are NaT or NaN, so that they can be counted.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.common.console import UserError

GREEN_TIMES: Final = ("lpep_pickup_datetime", "lpep_dropoff_datetime")
YELLOW_TIMES: Final = ("tpep_pickup_datetime", "tpep_dropoff_datetime")
ZONES_AND_MILES: Final = ("PULocationID", "DOLocationID", "trip_distance")
_WITHOUT_ZONES: Final = {
    2009: ("Trip_Pickup_DateTime", "Start_Lon", "End_Lon"),
    2010: ("pickup_datetime", "pickup_longitude", "dropoff_longitude"),
}
"""Columns of yellow taxi files in these years:
https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page"""
_MICROSECONDS: Final = pa.timestamp("us")
# Nanoseconds are truncated to microseconds; times out of range for these remain errors.
_TO_MICROSECONDS: Final = pc.CastOptions(_MICROSECONDS, allow_time_truncate=True)


@dataclass(frozen=True)
class TripRecords:
    """n records in columns of shape (n,): New York local time in µs, zones, miles.

    NaT and NaN stand for missing values. `types` maps the columns' names in the file to their types
    there, in the order of the fields.
    """

    pickup: NDArray[np.datetime64]
    dropoff: NDArray[np.datetime64]
    pickup_zone: NDArray[np.float64]
    dropoff_zone: NDArray[np.float64]
    distance_miles: NDArray[np.float64]
    types: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.pickup)

    @functools.cached_property
    def duration_minutes(self) -> NDArray[np.float64]:
        """Shape (n,); NaN if a time is missing, negative if dropoff precedes pickup."""
        minutes: NDArray[np.float64] = (self.dropoff - self.pickup) / np.timedelta64(60, "s")
        return minutes

    @functools.cached_property
    def complete(self) -> NDArray[np.bool_]:
        """Which records have a value in every column, shape (n,). Infinity counts as missing."""
        complete = ~(np.isnat(self.pickup) | np.isnat(self.dropoff))
        for column in (self.pickup_zone, self.dropoff_zone, self.distance_miles):
            complete &= np.isfinite(column)
        return complete

    def columns(self) -> Iterator[tuple[str, str, NDArray[np.generic]]]:
        """Yields name and type in the file and values, in the order of the fields."""
        values: tuple[NDArray[np.generic], ...] = (
            self.pickup,
            self.dropoff,
            self.pickup_zone,
            self.dropoff_zone,
            self.distance_miles,
        )
        for (name, kind), column in zip(self.types.items(), values, strict=True):
            yield name, kind, column


def read(path: Path) -> TripRecords:
    """Reads all records of a TLC parquet file, green or yellow. Raises `UserError`."""
    table = _read_table(path)
    if not table.num_rows:
        raise UserError(f"{path} holds no trips: name a file of TLC trip records that does")
    pickup_name, dropoff_name = table.column_names[:2]
    pickup_zone, dropoff_zone, miles = (_numbers(table, name, path) for name in ZONES_AND_MILES)
    return TripRecords(
        pickup=_times(table, pickup_name, path),
        dropoff=_times(table, dropoff_name, path),
        pickup_zone=pickup_zone,
        dropoff_zone=dropoff_zone,
        distance_miles=miles,
        types={field.name: str(field.type) for field in table.schema},
    )


def _read_table(path: Path) -> pa.Table:
    """Reads the five columns, times first."""
    try:
        with pq.ParquetFile(path) as file:
            wanted = _wanted(file.schema_arrow.names, path)
            return file.read(columns=wanted).select(wanted)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: name a parquet file of TLC trip records") from None
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read as parquet: {first_sentence(error)}") from error


def _wanted(available: Sequence[str], path: Path) -> list[str]:
    times = max(GREEN_TIMES, YELLOW_TIMES, key=lambda pair: len(set(pair) & set(available)))
    for name in (*times, *ZONES_AND_MILES):
        if available.count(name) > 1:
            raise UserError(f"{path} holds the column {name} twice: it is ambiguous")
    for year, columns in _WITHOUT_ZONES.items():
        if set(columns) <= set(available):
            raise UserError(
                f"{path} is in the schema that TLC had in {year}, with longitudes and latitudes "
                "in place of zones, which a ride event needs: name a file of 2011 or later"
            )
    missing = [name for name in (*ZONES_AND_MILES, *times) if name not in available]
    if not missing:
        return [*times, *ZONES_AND_MILES]
    yellow = f" (yellow taxis: {', '.join(YELLOW_TIMES)})" if set(times) <= set(missing) else ""
    raise UserError(
        f"{path} lacks the columns {', '.join(missing)}{yellow}: it is not a TLC trip record file"
    )


def _times(table: pa.Table, name: str, path: Path) -> NDArray[np.datetime64]:
    column = table.column(name)
    # TLC's times have no time zone; for any other, the local time would have to be guessed.
    local = pa.types.is_timestamp(column.type) and column.type.tz is None
    if not (local or pa.types.is_null(column.type)):
        raise _another_kind(path, name, column.type, "local timestamps")
    try:
        values = pc.cast(column, options=_TO_MICROSECONDS).to_numpy()
    except pa.ArrowException as error:
        raise UserError(
            f"{path} holds a time in {name} that microseconds cannot: {first_sentence(error)}"
        ) from error
    return np.asarray(values, dtype="datetime64[us]")


def _numbers(table: pa.Table, name: str, path: Path) -> NDArray[np.float64]:
    column = table.column(name)
    numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    if not any(is_kind(column.type) for is_kind in numeric):
        raise _another_kind(path, name, column.type, "numbers")
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _another_kind(path: Path, name: str, found: pa.DataType, wanted: str) -> UserError:
    return UserError(
        f"{path} has columns of another type: {name} is {found}, and {wanted} are needed"
    )


def first_sentence(error: Exception) -> str:
    """The first sentence of an Arrow error, without advice or traces."""
    return str(error).split("\n", 1)[0].split(". ", 1)[0]
