"""What a watch counts, from events, predictions and rejects that are made by hand."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import repeat

import pytest

from operations.watch import plain
from operations.watch.board import Board
from operations.watch.feed import Contact, Feed
from operations.watch.figures import Figures, Pair
from operations.watch.ring import Ring
from ride_scoring.domain.events import Prediction, Ride, RideDuration
from ride_scoring.errors import RejectReason
from ride_scoring.identity import Role
from ride_scoring.streams.records import Reject

BEGAN = datetime(2023, 1, 14, 12, 0, tzinfo=UTC)
UP_TO_DATE = Contact(None, None, 0)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def ride(pickup: int = 74, dropoff: int = 75) -> Ride:
    return Ride(pickup, dropoff, 1.0)


def prediction(
    event_id: str = "s:1",
    arrived: float = 0,
    version: str = "3",
    role: Role = "champion",
    model: str = "ride-duration",
) -> Prediction:
    at = after(arrived)
    return Prediction(
        model, version, RideDuration(1.0, event_id), event_id, "run", role, ride(), at, at
    )


def reject(event_id: str, reason: RejectReason = "schema", arrived: float = 0) -> Reject:
    return Reject(event_id, reason, "", "", "key", after(arrived), after(arrived))


def test_rates_are_those_of_whole_seconds_that_are_read() -> None:
    board = Board(BEGAN)
    for tenth in range(600):
        board.took_in(after(tenth / 10), ride())
        board.predicted(after(tenth / 10 + 0.05), prediction(f"s:{tenth}", tenth / 10))
    figures = board.figures(after(61), 10)
    assert (figures.in_per_second, figures.out_per_second) == (10, 10)
    assert (figures.taken_in, figures.predicted, figures.backlog) == (600, 600, 0)
    assert board.figures(after(65), 10).in_per_second == 6
    assert board.figures(after(400), 300).in_per_second == 0


def test_a_rate_is_not_thinned_by_the_time_before_the_watch() -> None:
    board = Board(BEGAN)
    for tenth in range(50):
        board.took_in(after(tenth / 10), ride())
    assert board.figures(after(6), 60).in_per_second == 10


def test_a_rate_is_over_five_minutes_at_most() -> None:
    board = Board(BEGAN)
    for number in range(1_000):
        board.took_in(after(number), ride())
    assert board.figures(after(1_000), 3_600).in_per_second == 1


def test_the_backlog_is_what_was_neither_predicted_nor_rejected_nor_given_up() -> None:
    board = Board(BEGAN)
    for number in range(10):
        board.took_in(after(number), ride())
    board.predicted(after(5), prediction("s:1", 1))
    board.rejected(reject("s:2", arrived=2))
    board.gave_up("s:3", 3)
    assert board.figures(after(10), 10).backlog == 5
    assert board.figures(after(10), 10).failed == 3


def test_what_is_read_twice_is_counted_once() -> None:
    board = Board(BEGAN)
    for _ in range(3):
        board.took_in(after(1), ride())
        board.predicted(after(2), prediction("s:1", 1))
        board.rejected(reject("s:2", arrived=1))
        board.gave_up("s:3", 1)
    figures = board.figures(after(10), 10)
    assert (figures.predicted, figures.repeated, figures.rejects) == (1, 2, {"schema": 1})
    assert (figures.failed, figures.backlog) == (1, 0)


def test_what_arrived_before_the_watch_is_no_part_of_its_backlog() -> None:
    board = Board(BEGAN)
    board.took_in(after(-1), ride())
    board.took_in(after(1), ride())
    board.predicted(after(1), prediction("s:0", -60))
    board.rejected(reject("s:9", arrived=-60))
    figures = board.figures(after(10), 10)
    assert (figures.taken_in, figures.backlog, figures.predicted) == (1, 1, 1)
    assert figures.rejects == {}


def test_a_prediction_that_is_read_before_its_event_leaves_no_backlog_behind() -> None:
    board = Board(BEGAN)
    board.predicted(after(1), prediction("s:1", 0.5))
    assert board.figures(after(2), 10).backlog == 0
    board.took_in(after(0.5), ride())
    assert board.figures(after(2), 10).backlog == 0


def test_latency_is_from_the_arrival_of_the_event_to_that_of_the_prediction() -> None:
    board = Board(BEGAN)
    for number in range(100):
        board.predicted(after(10 + number / 1000), prediction(f"s:{number}", 10))
    latency = board.figures(after(12), 10).latency_ms
    assert latency
    assert (latency.p50, latency.p95, latency.p99) == pytest.approx((49, 94, 98), rel=0.02)
    assert board.figures(after(60), 10).latency_ms is None
    went = [slot for slot in board.trend(after(60)).latency_ms if slot]
    assert went == [latency]


@pytest.mark.parametrize("milliseconds", [-5.0, 0.0, 1.0, 1e12])
def test_any_latency_is_counted(milliseconds: float) -> None:
    board = Board(BEGAN)
    arrived = after(milliseconds / 1000)
    board.predicted(arrived, prediction(arrived=0))
    assert [slot for slot in board.trend(arrived).latency_ms if slot]


def test_a_shadow_is_no_answer() -> None:
    board = Board(BEGAN)
    board.took_in(after(1), ride())
    board.predicted(after(2), prediction("s:1", 1, version="4", role="shadow"))
    figures = board.figures(after(10), 10)
    assert (figures.predicted, figures.backlog) == (0, 1)
    assert plain.serving_now(figures) is None
    board.predicted(after(3), prediction("s:1", 1))
    figures = board.figures(after(10), 10)
    assert (figures.predicted, figures.repeated, figures.backlog) == (1, 0, 0)
    assert plain.serving_now(figures) == ("ride-duration", "3")


def test_the_model_is_that_of_the_latest_prediction() -> None:
    board = Board(BEGAN)
    for number, version in enumerate(("3", "3", "4")):
        board.predicted(after(number), prediction(f"s:{number}", version=version))
    served = board.figures(after(5), 10).served
    assert [(model.version, model.predictions) for model in served] == [("4", 1), ("3", 2)]


def test_names_of_models_do_not_fill_the_memory() -> None:
    board = Board(BEGAN)
    for number in range(1_000):
        board.predicted(after(1), prediction(f"s:{number}", model=f"model-{number}"))
    served = board.figures(after(5), 10).served
    assert len(served) < 100
    assert served[0].model == "model-999"


def test_event_ids_do_not_fill_the_memory() -> None:
    board = Board(BEGAN)
    for number in range(150_000):
        board.gave_up(f"s:{number}", 1)
    assert len(board._outcomes) == 100_000
    assert board.figures(after(5), 10).failed == 150_000


def test_pairs_and_boroughs_are_those_of_the_last_minutes() -> None:
    board = Board(BEGAN)
    for _ in range(3):
        board.took_in(after(1), ride(74, 75))  # Manhattan
    board.took_in(after(61), ride(1, 265))  # Newark's airport, to outside of the city
    board.took_in(after(62), None)
    places = board.places(after(70))
    assert places.busiest == [Pair(74, 75, 3), Pair(1, 265, 1)]
    assert places.boroughs == {"Manhattan": 3, "EWR": 1}
    assert (places.pickups[74], places.pickups[75], sum(places.pickups)) == (3, 0, 4)
    assert board.figures(after(70), 300).taken_in == 5
    assert board.places(after(310)).busiest == [Pair(1, 265, 1)]
    assert board.places(after(1_000)).busiest == []


def test_a_ring_keeps_its_last_slots_alone() -> None:
    ring = Ring(3, 10)
    for at in (0, 5, 12, 25, 31, 4, 39.9):
        ring.add(at)
    assert ring.last(31, 3).tolist() == [1, 1, 2]
    assert ring.last(41, 3).tolist() == [1, 2, 0]
    assert ring.last(25, 1).tolist() == [1]


def test_a_line_says_it_all() -> None:
    board = Board(BEGAN)
    for number in range(120):
        board.took_in(after(number / 10), ride())
    board.predicted(after(10.065), prediction("s:1", 10))
    board.rejected(reject("s:2", arrived=1))
    figures = board.figures(after(12), 10)
    said = plain.sentence(figures, UP_TO_DATE)
    assert said.partition(" ")[2] == (
        "in 10/s out 0/s backlog 118 p50 65 ms p95 65 ms rejects 1 model ride-duration 3"
    )
    board.gave_up("s:3", 2)
    said = plain.sentence(board.figures(after(12), 10), Contact(12.4, "refused", 0))
    assert "failed 2" in said
    assert said.endswith("; no response for 12 s (refused)")


def test_a_line_of_a_watch_that_saw_nothing() -> None:
    figures = Board(BEGAN).figures(after(0), 10)
    said = plain.sentence(figures, UP_TO_DATE)
    assert said.partition(" ")[2] == "in 0/s out 0/s backlog 0 rejects 0"
    line = plain.line(figures, UP_TO_DATE)
    assert (line.model, line.latency_ms, line.trouble) == (None, None, None)


class SteppedFeed(Feed):
    """A feed whose steps take the seconds that it is told, by a clock of its own."""

    def __init__(self, steps: Iterable[float]) -> None:
        self._steps = iter(steps)
        self.clock = 0.0
        self.asked: list[int] = []

    def step(self) -> None:
        self.clock += next(self._steps)

    def figures(self, over_seconds: int) -> Figures:
        self.asked.append(over_seconds)
        return Board(BEGAN).figures(BEGAN, over_seconds)

    def contact(self) -> Contact:
        return UP_TO_DATE


def times_of(feed: SteppedFeed, every: float, duration: float | None) -> list[float]:
    """When there were lines."""
    return [feed.clock for _ in plain.lines(feed, every, duration, lambda: feed.clock)]


def test_lines_come_at_their_times_and_end_with_the_watch() -> None:
    feed = SteppedFeed(repeat(0.25))
    assert times_of(feed, 2, 5) == [2, 4]
    assert feed.asked == [2, 2]
    assert feed.clock == 5


def test_a_watch_that_is_shorter_than_its_lines_says_one() -> None:
    assert times_of(SteppedFeed(repeat(0.25)), 60, 1) == [1]


def test_lines_that_were_missed_are_not_made_up_for() -> None:
    steps = [0.5, 0.5, 3.25, 0.5, 0.5]
    assert times_of(SteppedFeed(steps), 1, 5) == [1, 4.25, 5.25]
