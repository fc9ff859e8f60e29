import numpy as np
import pytest

from stream_sim.traffic import sources
from tests.factories import shared
from trips import profile, tlc
from trips.columns import Trips

DAY = 86_400.0


def at(*pickups: str) -> Trips:
    """Trips of these pickup times; their distances number them."""
    count = len(pickups)
    return Trips(
        pickup=np.array(pickups, dtype="datetime64[us]"),
        duration_minutes=np.full(count, 10.0),
        pickup_zone=np.full(count, 1),
        dropoff_zone=np.full(count, 2),
        distance_miles=np.arange(count, dtype=np.float64),
    )


def numbers(taken: Trips) -> list[float]:
    return [float(number) for number in taken.distance_miles]


@pytest.mark.parametrize("day_seconds", [None, 20.0])
def test_the_same_seed_gives_the_same_rides_in_whatever_blocks(day_seconds: float | None) -> None:
    def rides(seed: int, *cuts: int) -> list[object]:
        source = sources.Synthetic(profile.load(), seed, day_seconds)
        blocks = np.split(np.linspace(0, 100, 1_000), cuts)
        return [ride for block in blocks for ride in source.take(block).rides()]

    assert rides(1) == rides(1, 0, 1, 300, 999)
    assert rides(1) != rides(2)


def test_pickups_are_spread_over_four_weeks_without_a_clock() -> None:
    source = sources.Synthetic(profile.load(), 1)
    days = source.take(np.zeros(2_000)).pickup.astype("datetime64[D]")
    assert len(np.unique(days)) == 28


def test_pickups_are_those_of_the_simulated_clock() -> None:
    source = sources.Synthetic(profile.load(), 1, day_seconds=24.0)
    pickup = source.take(np.array([0.0, 1.0, 24.5, 24 * 28 + 2.0])).pickup
    expected = ["2023-01-02T00:00", "2023-01-02T01:00", "2023-01-03T00:30", "2023-01-02T02:00"]
    assert pickup.tolist() == np.array(expected, dtype="datetime64[us]").tolist()


def test_a_clock_as_fast_as_ours_tells_the_seconds() -> None:
    source = sources.Synthetic(profile.load(), 1, day_seconds=DAY)
    assert str(source.take(np.array([61.9])).pickup[0]) == "2023-01-02T00:01:01.000000"


def test_a_replay_gives_a_file_in_order_of_pickup_and_then_no_more() -> None:
    replay = sources.Replay(at("2023-01-03", "2023-01-01", "2023-01-02"))
    assert numbers(replay.take(np.zeros(2))) == [1, 2]
    assert numbers(replay.take(np.zeros(2))) == [0]
    assert numbers(replay.take(np.zeros(2))) == []


def test_the_parts_of_a_replay_share_the_file() -> None:
    ridden = at(*(f"2023-01-01T00:{minute}" for minute in range(10, 20)))
    parts = [numbers(sources.Replay(ridden, part, 3).take(np.zeros(99))) for part in range(3)]
    assert parts == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]


def test_event_times_are_those_of_the_pickups_at_a_speed_up() -> None:
    ridden = at("2023-01-01T00:02", "2023-01-01T00:00", "2023-01-01T01:00")
    assert sources.event_times(ridden, 60.0).tolist() == [0, 2, 60]


def test_strays_arrive_with_the_first_or_last_of_the_others() -> None:
    days = [f"2023-01-{day:02}" for day in range(1, 11)]
    ridden = at("2031-05-01", "2008-12-31", "2009-01-01", *days)
    seconds = sources.event_times(ridden, DAY).tolist()
    assert seconds == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]


def test_a_year_of_rides_has_no_strays() -> None:
    ridden = at(*np.arange("2023-01-01", "2024-01-01", 7, dtype="datetime64[D]").astype(str))
    assert sources.event_times(ridden, DAY)[-1] == 364


def test_a_single_ride_arrives_at_once() -> None:
    assert sources.event_times(at("2023-01-01"), 1.0).tolist() == [0]


@pytest.mark.parametrize("name", ["2021-01", "2021-02", "2022-01", "2023-01", "2023-02"])
def test_a_real_month_takes_a_month(name: str) -> None:
    ridden = tlc.read(shared(f"tlc/green_tripdata_{name}.parquet"))
    seconds = sources.event_times(ridden, 1.0)
    assert len(seconds) == len(ridden)
    assert (np.diff(seconds) >= 0).all()
    assert 27 * DAY < seconds[-1] < 40 * DAY
