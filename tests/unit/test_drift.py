import numpy as np
import pytest

from infra.common import spec
from infra.common.console import UserError
from ride_scoring.domain import zones
from trips import profile
from trips.columns import Trips
from trips.drift import DRIFTS, Drift
from trips.profile import drawn
from trips.profile.week import hour_of_week

ARRIVALS = np.linspace(0, 599, 600)


def drift(text: str) -> Drift:
    return spec.parse(text, DRIFTS, "--drift")


def applied(text: str, before: Trips) -> Trips:
    return drift(text).apply(before, ARRIVALS[: len(before)], np.random.default_rng(1))


@pytest.fixture
def before() -> Trips:
    return drawn.synthetic(600, 1)


def in_borough(ridden: Trips, name: str) -> np.ndarray:
    number = zones.BOROUGHS.index(name)
    start, end = (
        zones.borough_numbers(zone.astype(np.float64))
        for zone in (ridden.pickup_zone, ridden.dropoff_zone)
    )
    touched: np.ndarray = (start == number) | (end == number)
    return touched


@pytest.mark.parametrize("kind", sorted(DRIFTS))
def test_the_world_is_as_before_until_a_drift_begins(kind: str, before: Trips) -> None:
    after = applied(f"{kind}:after_seconds=300", before)
    first, later = slice(0, 300), slice(301, 600)
    assert after.where(first).rides() == before.where(first).rides()
    assert np.array_equal(after.duration_minutes[first], before.duration_minutes[first])
    assert after.where(later).rides() != before.where(later).rides()
    assert len(after) == len(before)


@pytest.mark.parametrize("kind", sorted(DRIFTS))
def test_the_trips_that_are_given_are_left_alone(kind: str, before: Trips) -> None:
    applied(kind, before)
    again = drawn.synthetic(600, 1)
    assert before.rides() == again.rides()
    assert np.array_equal(before.duration_minutes, again.duration_minutes)


@pytest.mark.parametrize("kind", sorted(DRIFTS))
def test_no_rides_drift_to_none(kind: str, before: Trips) -> None:
    assert len(applied(kind, before.where(slice(0)))) == 0


def test_kilometres_are_given_for_miles_and_durations_stay(before: Trips) -> None:
    after = applied("kilometres", before)
    assert after.distance_miles == pytest.approx(before.distance_miles * 1.609, abs=0.02)
    assert np.array_equal(after.duration_minutes, before.duration_minutes)


def test_no_ride_touches_a_borough_that_vanished(before: Trips) -> None:
    assert in_borough(before, "Manhattan").mean() > 0.4
    after = applied("vanished", before)
    assert not in_borough(after, "Manhattan").any()
    kept = ~in_borough(before, "Manhattan")
    assert after.where(kept).rides() == before.where(kept).rides()
    assert set(after.rides()) == set(before.where(kept).rides())


def test_a_block_of_a_vanished_borough_alone_becomes_other_rides(before: Trips) -> None:
    alone = before.where(in_borough(before, "Manhattan"))
    after = applied("vanished", alone)
    assert len(after) == len(alone)
    assert not in_borough(after, "Manhattan").any()


def test_another_borough_may_vanish(before: Trips) -> None:
    after = applied("vanished:borough=Staten Island", before)
    assert not in_borough(after, "Staten Island").any()
    assert in_borough(applied("vanished:borough=Queens", before), "Manhattan").any()


def test_it_is_rush_hour_all_day_on_working_days(before: Trips) -> None:
    after = applied("rush-hour", before)
    hours = hour_of_week(after.pickup)
    assert set(hours.tolist()) == {24 * day + 17 for day in range(5)}
    assert (after.pickup <= before.pickup + np.timedelta64(1, "D")).all()
    in_hour = [pickup - pickup.astype("datetime64[h]") for pickup in (before.pickup, after.pickup)]
    assert np.array_equal(*in_hour)


def test_a_ride_at_night_takes_as_much_longer_in_the_rush_hour_as_the_profile_says() -> None:
    night = np.full(50, np.datetime64("2023-01-04T03:10:00", "us"))
    before = profile.load().trips(night, np.random.default_rng(1))
    after = applied("rush-hour", before)
    log_speed = profile.load().statistics.log_speed
    times = np.exp(log_speed[2 * 24 + 3] - log_speed[2 * 24 + 17])
    assert times > 1.2
    assert after.duration_minutes == pytest.approx(before.duration_minutes * times)
    assert np.array_equal(after.distance_miles, before.distance_miles)


def test_trips_grow_with_the_minutes_since_growth_began(before: Trips) -> None:
    after = applied("growth:per_minute=0.1,after_seconds=60", before)
    times = 1 + 0.1 * np.maximum(ARRIVALS - 60, 0) / 60
    assert after.duration_minutes == pytest.approx(before.duration_minutes * times)
    assert after.distance_miles == pytest.approx(before.distance_miles * times, abs=0.006)


def test_drifts_add_up(before: Trips) -> None:
    after = applied("vanished:borough=Queens", applied("kilometres", before))
    assert not in_borough(after, "Queens").any()
    assert after.distance_miles.mean() > 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kilometre", "'kilometre' is not known: did you mean kilometres"),
        ("vanished:borough=Manhatan", "no borough 'Manhatan': did you mean Manhattan"),
        ("vanished:borough=", "no borough '': choose from Unknown, EWR, Manhattan"),
        ("growth:per_minute=0", "> 0.0"),
        ("growth:per_minute=nan", "growth:per_minute=nan"),
        ("growth:per_minute=inf", "<= 1.0"),
        ("rush-hour:after_seconds=-1", ">= 0.0"),
        ("rush-hour:after_seconds=nan", "after_seconds=nan"),
        ("rush-hour:after_seconds=inf", "after_seconds=inf"),
        ("rush-hour:after=1", "rush-hour has no 'after'"),
    ],
)
def test_what_is_no_drift_is_said(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        drift(text)
