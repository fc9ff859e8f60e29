from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.common.console import UserError
from tests.factories import shared
from trips import tlc
from trips.profile import drawn


def test_synthetic_trips_are_of_this_world() -> None:
    ridden = drawn.synthetic(20_000, 2)
    assert ridden.pickup_zone.min() >= 1
    assert ridden.dropoff_zone.max() <= 265
    assert 8 < np.median(ridden.duration_minutes) < 16
    assert 1 < np.median(ridden.distance_miles) < 3
    assert ridden.duration_minutes.min() > 0
    assert 0.02 < np.mean(ridden.distance_miles == 0) < 0.06
    assert np.corrcoef(ridden.distance_miles, ridden.duration_minutes)[0, 1] > 0.7


def test_synthetic_trips_come_in_order_of_pickup_in_four_weeks() -> None:
    pickup = drawn.synthetic(5_000, 2).pickup
    assert (np.diff(pickup) >= np.timedelta64(0, "s")).all()
    assert pickup[0] >= np.datetime64("2023-01-02")
    assert pickup[-1] < np.datetime64("2023-01-30")


def test_the_same_seed_gives_the_same_synthetic_trips() -> None:
    first, again, other = (drawn.synthetic(300, seed).rides() for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_a_real_month_is_read_whole() -> None:
    ridden = tlc.read(shared("tlc/green_tripdata_2023-01.parquet"))
    assert len(ridden) == 68_211


def write(path: Path, **columns: list[object]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_trip_that_lacks_a_value_is_left_out(tmp_path: Path) -> None:
    at = np.datetime64("2023-01-14T08:31:00").astype("datetime64[us]")
    path = write(
        tmp_path / "trips.parquet",
        tpep_pickup_datetime=[at, at, None],
        tpep_dropoff_datetime=[at + np.timedelta64(90, "s")] * 3,
        PULocationID=[1, None, 3],
        DOLocationID=[4, 5, 6],
        trip_distance=[1.5, 2.5, 3.5],
    )
    ridden = tlc.read(path)
    assert ridden.pickup_zone.tolist() == [1]
    assert ridden.duration_minutes.tolist() == [1.5]


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.parquet does not exist"):
        tlc.read(tmp_path / "nowhere.parquet")


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (path := tmp_path / "rides.parquet").write_text("PULocationID,DOLocationID\n")
    with pytest.raises(UserError, match=r"rides\.parquet cannot be read as parquet"):
        tlc.read(path)


def test_columns_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="DOLocationID, trip_distance"):
        tlc.read(write(tmp_path / "rides.parquet", PULocationID=[1]))
    with pytest.raises(UserError, match="lpep_pickup_datetime"):
        tlc.read(
            write(tmp_path / "b.parquet", PULocationID=[1], DOLocationID=[1], trip_distance=[1.0])
        )


def test_columns_of_another_kind_are_said(tmp_path: Path) -> None:
    path = write(
        tmp_path / "rides.parquet",
        lpep_pickup_datetime=["monday"],
        lpep_dropoff_datetime=["tuesday"],
        PULocationID=["here"],
        DOLocationID=["there"],
        trip_distance=["far"],
    )
    with pytest.raises(UserError, match="columns of another type"):
        tlc.read(path)


def test_a_file_without_trips_is_named(tmp_path: Path) -> None:
    empty = write(
        tmp_path / "rides.parquet",
        **{
            name: []
            for name in (
                "lpep_pickup_datetime",
                "lpep_dropoff_datetime",
                "PULocationID",
                "DOLocationID",
                "trip_distance",
            )
        },
    )
    with pytest.raises(UserError, match="holds no trips"):
        tlc.read(empty)
