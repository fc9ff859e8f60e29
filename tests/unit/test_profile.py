import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.common.console import UserError
from ride_scoring.domain import zones
from trips import profile
from trips.columns import Trips
from trips.profile import file
from trips.profile.statistics import ARRAYS
from trips.profile.week import hour_of_week


def drawn(count: int, seed: int = 1) -> Trips:
    shipped = profile.load()
    rng = np.random.default_rng(seed)
    return shipped.trips(shipped.pickups(count, rng), rng)


def broken(path: Path, **changes: object) -> Path:
    """The shipped profile with other arrays in it; those that are None are left out."""
    shipped = profile.load().statistics
    values = {name: getattr(shipped, name) for name in (*ARRAYS, "fitted_to")} | changes
    kept: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    np.savez(path, **kept)
    return path


def test_every_ride_that_is_drawn_can_be_scored() -> None:
    trips = drawn(200_000)
    for zone in (trips.pickup_zone, trips.dropoff_zone):
        assert zone.min() >= 1
        assert zone.max() <= 265
    assert trips.distance_miles.min() == 0
    assert trips.distance_miles.max() <= 200
    assert trips.duration_minutes.min() > 0
    assert np.isfinite(trips.duration_minutes).all()


def test_it_does_not_matter_in_what_blocks_rides_are_drawn() -> None:
    shipped = profile.load()
    pickup = shipped.pickups(1_000, np.random.default_rng(1))
    at_once = shipped.trips(pickup, np.random.default_rng(2)).rides()
    rng = np.random.default_rng(2)
    blocks = [shipped.trips(part, rng).rides() for part in np.split(pickup, [1, 300, 301])]
    assert [ride for block in blocks for ride in block] == at_once


def test_pickups_follow_the_hours_of_the_week() -> None:
    shipped = profile.load()
    pickup = shipped.pickups(400_000, np.random.default_rng(1))
    share = np.bincount(hour_of_week(pickup), minlength=168) / len(pickup)
    assert np.abs(share - shipped.statistics.rides_by_hour_of_week).max() < 0.0006
    by_hour = share.reshape(7, 24).sum(axis=0)
    assert np.abs(by_hour - shipped.rides_by_hour).max() < 0.002
    assert shipped.rides_by_hour.sum() == pytest.approx(1)


def test_monday_at_midnight_is_the_first_hour_of_the_week() -> None:
    at = np.array(["2023-01-02T00:59:59", "2023-01-08T23:00:00"], dtype="datetime64[us]")
    assert hour_of_week(at).tolist() == [0, 167]


def test_the_same_ride_takes_longer_in_the_rush_hour_than_at_night() -> None:
    shipped = profile.load()
    at = np.array(["2023-01-04T17:30", "2023-01-04T03:30"], dtype="datetime64[us]")
    miles, minutes = [], []
    for pickup in at:
        trips = shipped.trips(np.full(20_000, pickup), np.random.default_rng(3))
        miles.append(trips.distance_miles.mean())
        minutes.append(trips.duration_minutes.mean())
    assert minutes[0] / miles[0] > 1.2 * minutes[1] / miles[1]


def test_who_goes_where_depends_on_the_time() -> None:
    def share_of_brooklyn(pickup: str) -> float:
        at = np.full(20_000, np.datetime64(pickup, "us"))
        trips = profile.load().trips(at, np.random.default_rng(3))
        number = zones.BOROUGHS.index("Brooklyn")
        return float(np.mean(zones.borough_numbers(trips.pickup_zone.astype(float)) == number))

    assert share_of_brooklyn("2023-01-08T02:00") > 1.3 * share_of_brooklyn("2023-01-04T12:00")


def test_a_profile_comes_back_from_its_file_as_it_was_and_in_the_same_bytes(tmp_path: Path) -> None:
    shipped = profile.load().statistics
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    file.write(shipped, first)
    read = profile.read(first).statistics
    file.write(read, second)
    assert first.read_bytes() == second.read_bytes()
    for field in dataclasses.fields(shipped):
        assert np.array_equal(getattr(shipped, field.name), getattr(read, field.name))


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.npz cannot be read \(No such file"):
        profile.read(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("kept", [0, 1, 100, 5_000, 20_000, -1])
def test_a_profile_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    file.write(profile.load().statistics, path := tmp_path / "cut.npz")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"cut\.npz holds no profile of rides, or a damaged one"):
        profile.read(path)


def test_a_byte_that_was_changed_is_found(tmp_path: Path) -> None:
    file.write(profile.load().statistics, path := tmp_path / "changed.npz")
    whole = path.read_bytes()
    for place in range(2_000, 36_000, 1_700):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(UserError, match=r"changed\.npz holds no profile"):
            profile.read(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"pair_rides": None},
        {"fitted_to": None},
        {"log_speed": np.zeros(24)},
        {"log_speed": np.full(168, np.nan)},
        {"miles_spread": np.full((24, 101), 100.0)},
        {"pairs": np.full((1_381, 2), 266)},
        {"pair_rides": np.full(1_381, -1.0)},
        {"pickup_zones": np.zeros((10, 265))},
        {"other_dropoffs": np.zeros(265)},
        {"knot_minutes": np.array(["long"] * 24)},
        {"knot_minutes": np.array([None] * 24)},
    ],
    ids=str,
)
def test_a_profile_of_no_rides_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"odd\.npz holds no profile"):
        profile.read(broken(tmp_path / "odd.npz", **changes))


def test_a_file_of_one_array_is_no_profile(tmp_path: Path) -> None:
    np.save(path := tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"one\.npy holds no profile"):
        profile.read(path)


def test_a_profile_that_cannot_be_written_is_named() -> None:
    with pytest.raises(UserError, match=r"/dev/full cannot be written \(No space left"):
        file.write(profile.load().statistics, Path("/dev/full"))


@pytest.mark.thorough
def test_no_change_to_the_archives_directory_brings_a_traceback(tmp_path: Path) -> None:
    file.write(profile.load().statistics, path := tmp_path / "changed.npz")
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole) - 1_200, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            profile.read(path)
        except UserError:
            refused += 1
    assert refused > 400
