import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.console import UserError
from ride_scoring.decode import CannotScore, decode
from stream_sim import faults, riders, trips
from tests.factories import shared


@pytest.mark.parametrize("kind", sorted(faults.FAULTS))
def test_every_fault_is_rejected_for_the_reason_that_it_stands_for(kind: str) -> None:
    reason, fault = faults.FAULTS[kind]
    with pytest.raises(CannotScore) as caught:
        decode(fault("ride-1"))
    assert caught.value.reason == reason


def test_every_kind_of_fault_is_drawn() -> None:
    rng = random.Random(1)
    drawn = {faults.draw("ride-1", rng)[1] for _ in range(500)}
    assert len(drawn) == len(faults.FAULTS)


def test_the_same_seed_gives_the_same_trips_and_faults() -> None:
    first, again, other = (
        riders.outgoing(trips.synthetic(300, seed), "run", 0.1, seed) for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_about_the_asked_share_is_malformed() -> None:
    records = riders.outgoing(trips.synthetic(5_000, 1), "run", 0.05, 1)
    assert 200 <= sum(record.reason is not None for record in records) <= 300


def test_well_formed_records_decode_to_their_trips() -> None:
    ridden = trips.synthetic(50, 1)
    for record, ride in zip(riders.outgoing(ridden, "run", 0, 1), ridden.rides(), strict=True):
        event = decode(record.data)
        assert (event.ride_id, event.ride) == (record.ride_id, ride)


def test_synthetic_trips_are_of_this_world() -> None:
    ridden = trips.synthetic(5_000, 2)
    assert ridden.pickup_zone.min() >= 1
    assert ridden.dropoff_zone.max() <= 265
    assert 5 < np.median(ridden.duration_minutes) < 30
    assert np.corrcoef(ridden.distance_miles, ridden.duration_minutes)[0, 1] > 0.7
    assert (np.diff(ridden.pickup) >= np.timedelta64(0, "s")).all()


def test_real_trips_hold_broken_meters_that_must_be_rejected() -> None:
    ridden = trips.read(shared("tlc/green_tripdata_2023-01.parquet"))
    assert len(ridden) == 68_211
    records = riders.outgoing(ridden, "run", 0, 1)
    reasons = [record.reason for record in records]
    assert 13 <= reasons.count("out_of_range") <= 80
    assert set(reasons) == {None, "out_of_range"}


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
    ridden = trips.read(path)
    assert ridden.pickup_zone.tolist() == [1]
    assert ridden.duration_minutes.tolist() == [1.5]


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.parquet is not there"):
        trips.read(tmp_path / "nowhere.parquet")


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (path := tmp_path / "rides.parquet").write_text("PULocationID,DOLocationID\n")
    with pytest.raises(UserError, match=r"rides\.parquet cannot be read as parquet"):
        trips.read(path)


def test_columns_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="DOLocationID, trip_distance"):
        trips.read(write(tmp_path / "rides.parquet", PULocationID=[1]))
    with pytest.raises(UserError, match="lpep_pickup_datetime"):
        trips.read(
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
    with pytest.raises(UserError, match="values of another kind"):
        trips.read(path)


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
        trips.read(empty)
