import json
from pathlib import Path

import numpy as np
import pytest

from infra.common.console import UserError
from tests import trip_files
from tests.factories import shared
from trips import tlc
from trips.columns import Trips
from trips.profile import RideProfile, command, drawn, likeness, read
from trips.profile.fit import fit
from trips.profile.ridden import usual
from trips.profile.statistics import ARRAYS, Statistics


def month(name: str) -> Trips:
    return usual(tlc.read(shared(f"tlc/green_tripdata_{name}.parquet")))


def sample(profile: RideProfile, count: int, seed: int = 1) -> Trips:
    rng = np.random.default_rng(seed)
    return usual(profile.trips(profile.pickups(count, rng), rng))


def times_as_far(profile: RideProfile, name: str, neighbour: str) -> dict[str, float]:
    """How many times as far as the neighbour the drawn rides are from the month."""
    ridden = month(name)
    measures = likeness.compare(sample(profile, len(ridden)), ridden, month(neighbour))
    return {measure.name: measure.times for measure in measures}


def test_shipped_rides_are_as_near_to_their_month_as_the_goal_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real, neighbour = (
        shared(f"tlc/green_tripdata_{name}.parquet") for name in ("2023-01", "2023-02")
    )
    command.show(real, neighbour, None, 1, as_json=True)
    measures = json.loads(capsys.readouterr().out)
    assert len(measures) == 6
    assert all(measure["times"] <= 2 and measure["kept"] for measure in measures)


def test_a_profile_of_another_month_is_as_near_to_that() -> None:
    fitted = RideProfile(fit(month("2021-01"), "2021-01"))
    assert max(times_as_far(fitted, "2021-01", "2021-02").values()) <= 2


def test_a_profile_of_another_month_is_not_near() -> None:
    fitted = RideProfile(fit(month("2021-01"), "2021-01"))
    assert min(times_as_far(fitted, "2023-01", "2023-02").values()) > 1
    assert times_as_far(fitted, "2023-01", "2023-02")["distance (KS)"] > 5


def test_pairs_with_few_rides_have_no_values_of_their_own() -> None:
    ridden = drawn.synthetic(20_000, 1)
    statistics = fit(ridden, "made up")
    pairs, counts = np.unique(
        np.column_stack([ridden.pickup_zone, ridden.dropoff_zone]), axis=0, return_counts=True
    )
    own = {tuple(pair) for pair in statistics.pairs.astype(int).tolist()}
    often = {tuple(pair) for pair in pairs[counts >= 5].tolist()}
    assert own <= often
    assert own


def test_what_the_only_ride_between_two_zones_was_cannot_be_told() -> None:
    def statistics(miles: float, minutes: float) -> Statistics:
        ridden = drawn.synthetic(20_000, 1)
        ridden.pickup_zone[0], ridden.dropoff_zone[0] = 1, 206  # Newark's airport, Staten Island
        ridden.distance_miles[0], ridden.duration_minutes[0] = miles, minutes
        return fit(ridden, "made up")

    near, far = statistics(1.0, 2.0), statistics(150.0, 59.0)
    assert [1, 206] not in near.pairs.tolist()
    for name in ARRAYS:
        assert np.abs(getattr(near, name) - getattr(far, name)).max() < 0.05, name


def test_a_fit_is_written_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    months = [
        trip_files.write(tmp_path / f"{seed}.parquet", trip_files.columns(3_000, seed=seed))
        for seed in range(2)
    ]
    command.fit(months, out := tmp_path / "new" / "profile.npz", as_json=False)
    assert read(out).statistics.fitted_to == "0.parquet, 1.parquet, 6,000 rides"
    assert "6,000 rides; 0 pairs of zones have values of their own" in capsys.readouterr().out
    assert np.median(sample(read(out), 2_000).duration_minutes) == pytest.approx(10, abs=0.1)


def test_a_file_with_few_usual_trips_is_refused(tmp_path: Path) -> None:
    few = trip_files.write(tmp_path / "few.parquet", trip_files.columns(999))
    with pytest.raises(UserError, match=r"few\.parquet holds 999 trips .* needs 1,000"):
        command.fit([few], tmp_path / "profile.npz", as_json=False)


def test_months_that_do_not_differ_are_refused(tmp_path: Path) -> None:
    same = trip_files.write(tmp_path / "same.parquet", trip_files.columns(1_000))
    with pytest.raises(UserError, match="the two files do not differ in distance"):
        command.show(same, same, None, 1, as_json=False)


def test_the_table_says_which_measures_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def written(seed: int) -> Path:
        columns = trip_files.columns(1_000, seed=seed)
        columns["lpep_dropoff_datetime"] += np.arange(1_000).astype("timedelta64[s]") * seed
        return trip_files.write(tmp_path / f"{seed}.parquet", columns)

    command.show(written(1), written(2), None, 1, as_json=False)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert next(line for line in lines if "distance (KS)" in line).endswith("missed")
    assert next(line for line in lines if "pair of zones (JS)" in line).endswith("kept")
    assert "against 1,000 of 1.parquet and 1,000 of 2.parquet" in lines[-1]
