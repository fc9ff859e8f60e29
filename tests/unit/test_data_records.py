from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.common.console import UserError
from tests import trip_files
from tests.factories import shared
from trips import tlc, trip_records

AT = trip_files.JANUARY


def test_what_is_missing_is_kept_as_missing(tmp_path: Path) -> None:
    path = trip_files.write(
        tmp_path / "trips.parquet",
        {
            "trip_distance": [1.5, None, np.inf],
            "tpep_dropoff_datetime": [AT + np.timedelta64(90, "s"), AT, None],
            "tpep_pickup_datetime": [AT, None, AT],
            "PULocationID": [1, None, 3],
            "DOLocationID": pa.array([None, 4, 5], pa.int32()),
        },
    )
    records = trip_records.read(path)
    assert len(records) == 3
    assert np.isnat(records.pickup).tolist() == [False, True, False]
    assert np.isnat(records.dropoff).tolist() == [False, False, True]
    np.testing.assert_array_equal(records.pickup_zone, [1, np.nan, 3])
    np.testing.assert_array_equal(records.dropoff_zone, [np.nan, 4, 5])
    np.testing.assert_array_equal(records.distance_miles, [1.5, np.nan, np.inf])
    np.testing.assert_array_equal(records.duration_minutes, [1.5, np.nan, np.nan])
    assert not records.complete.any()
    assert records.types == {
        "tpep_pickup_datetime": "timestamp[us]",
        "tpep_dropoff_datetime": "timestamp[us]",
        "PULocationID": "int64",
        "DOLocationID": "int32",
        "trip_distance": "double",
    }
    with pytest.raises(UserError, match="holds no trips with times, zones and a distance"):
        tlc.read(path)


@pytest.mark.parametrize(
    ("columns", "year"),
    [
        (("vendor_name", "Trip_Pickup_DateTime", "Trip_Distance", "Start_Lon", "End_Lon"), 2009),
        (("vendor_id", "pickup_datetime", "pickup_longitude", "dropoff_longitude"), 2010),
    ],
)
def test_a_file_of_the_years_without_zones_is_called_by_its_schema(
    tmp_path: Path, columns: tuple[str, ...], year: int
) -> None:
    path = trip_files.write(tmp_path / "old.parquet", {name: [1.0] for name in columns})
    with pytest.raises(UserError, match=f"the schema that TLC had in {year}, with longitudes"):
        trip_records.read(path)


@pytest.mark.parametrize("name", [*trip_records.GREEN_TIMES, *trip_records.ZONES_AND_MILES])
def test_a_column_that_is_there_twice_is_said(tmp_path: Path, name: str) -> None:
    table = pa.table(trip_files.columns(3))
    twice = table.append_column(pa.field(name, table.schema.field(name).type), table.column(name))
    pq.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(UserError, match=f"holds the column {name} twice"):
        trip_records.read(tmp_path / "twice.parquet")


def test_a_column_that_nobody_reads_may_be_there_twice(tmp_path: Path) -> None:
    table = pa.table(trip_files.columns(3) | {"fare": [1.0, 2.0, 3.0]})
    twice = table.append_column(pa.field("fare", pa.float64()), table.column("fare"))
    pq.write_table(twice, tmp_path / "twice.parquet")
    assert len(trip_records.read(tmp_path / "twice.parquet")) == 3


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_unit_are_read(tmp_path: Path, unit: str) -> None:
    table = trip_files.columns(5)
    pickup = table["lpep_pickup_datetime"]
    table["lpep_pickup_datetime"] = pa.array(pickup.astype(f"datetime64[{unit}]"))
    records = trip_records.read(trip_files.write(tmp_path / "trips.parquet", table))
    np.testing.assert_array_equal(records.pickup, pickup)


def test_a_column_of_nothing_is_missing_values(tmp_path: Path) -> None:
    table = trip_files.columns(3) | {
        "PULocationID": pa.nulls(3),
        "lpep_pickup_datetime": [None] * 3,
    }
    records = trip_records.read(trip_files.write(tmp_path / "trips.parquet", table))
    assert np.isnan(records.pickup_zone).all()
    assert np.isnat(records.pickup).all()


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("PULocationID", ["a", "b"], "PULocationID is string, and numbers are needed"),
        ("trip_distance", [True, False], "trip_distance is bool, and numbers are needed"),
        ("lpep_dropoff_datetime", [1, 2], "int64, and local timestamps are needed"),
        (
            "lpep_pickup_datetime",
            pa.array([0, 0], pa.timestamp("us", "UTC")),
            r"timestamp\[us, tz=UTC\], and local timestamps are needed",
        ),
        (
            "lpep_pickup_datetime",
            pa.array([2**62, 0], pa.timestamp("ms")),
            "holds a time in lpep_pickup_datetime that microseconds cannot",
        ),
    ],
)
def test_a_column_of_another_kind_is_named(
    tmp_path: Path, name: str, values: object, sentence: str
) -> None:
    path = trip_files.write(tmp_path / "trips.parquet", trip_files.columns(2) | {name: values})
    with pytest.raises(UserError, match=sentence):
        trip_records.read(path)


@pytest.mark.parametrize("taxi", ["green", "yellow"])
def test_columns_that_were_renamed_are_named(tmp_path: Path, taxi: str) -> None:
    table = {f"my_{name}": values for name, values in trip_files.columns(2, taxi=taxi).items()}
    sentence = (
        r"trip_distance, lpep_pickup.*, lpep_dropoff.* \(yellow taxis: tpep_pickup_datetime, "
    )
    with pytest.raises(UserError, match=sentence):
        trip_records.read(trip_files.write(tmp_path / "trips.parquet", table))
    table = trip_files.columns(2, taxi=taxi)
    dropoff = list(table)[1]
    del table[dropoff]
    with pytest.raises(UserError, match=f"lacks the columns {dropoff}: it is not a TLC"):
        trip_records.read(trip_files.write(tmp_path / "trips.parquet", table))


def test_half_a_file_is_said(tmp_path: Path) -> None:
    content = trip_files.parquet(trip_files.columns(1_000))
    (path := tmp_path / "trips.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"trips\.parquet cannot be read as parquet: [^\n]*$"):
        trip_records.read(path)


def test_a_file_with_a_hole_is_said(tmp_path: Path) -> None:
    content = bytearray(trip_files.parquet(trip_files.columns(1_000)))
    content[4:2_000] = bytes(1_996)
    (path := tmp_path / "trips.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"trips\.parquet cannot be read as parquet: [^\n]*$"):
        trip_records.read(path)


def test_a_file_without_rows_is_said(tmp_path: Path) -> None:
    path = trip_files.write(tmp_path / "trips.parquet", trip_files.columns(0))
    with pytest.raises(UserError, match="holds no trips"):
        trip_records.read(path)


def test_a_real_month_is_read_as_it_is() -> None:
    path = shared("tlc/green_tripdata_2023-02.parquet")
    assert len(trip_records.read(path)) == pq.read_metadata(path).num_rows == 64_809
