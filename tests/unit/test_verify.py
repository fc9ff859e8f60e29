"""What came of each ride: the account of ledgers and outcomes that tests make up."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from infra.common.console import UserError
from ride_scoring.domain.events import Prediction
from ride_scoring.errors import RejectReason
from ride_scoring.streams import kpl
from stream_sim import ledger
from stream_sim.kinesis.dead_letters import FailedRecord
from stream_sim.ledger import Entry, Intended, PutRecord, Taken, TakenRecord, Unanswered
from stream_sim.verify import explained, reconciliation
from stream_sim.verify.account import Account, Survived
from stream_sim.verify.reconciliation import Reconciliation, seen
from stream_sim.verify.rides import Rides
from stream_sim.verify.timeline import Timeline
from tests import runs
from tests.runs import BEGAN, a_prediction, a_reject, a_run, event_id, ride_id, sent


class Verified:
    """A reconciliation of one part, told in a test's words."""

    def __init__(self, rides: Rides) -> None:
        self._reconciliation = Reconciliation(runs.RUN, {0: rides}, Timeline(BEGAN.timestamp()))
        self.rejected = self._reconciliation.rejected
        self.failed = self._reconciliation.failed
        self.redriven = self._reconciliation.redriven

    @property
    def open(self) -> int:
        return self._reconciliation.open

    @property
    def unsure(self) -> int:
        return self._reconciliation.unsure

    def predicted(self, *predictions: Prediction, milliseconds: float = 100) -> None:
        arrived_at = BEGAN + timedelta(milliseconds=milliseconds)
        page = [seen(prediction, arrived_at, runs.RUN) for prediction in predictions]
        self._reconciliation.predicted([outcome for outcome in page if outcome])

    def account(self) -> Account:
        self._reconciliation.settle()
        return explained.account(self._reconciliation, {0: a_run()})

    def counts(self) -> dict[str, int]:
        rides = self.account().rides
        return {
            name: getattr(rides, name) for name in rides.__struct_fields__ if getattr(rides, name)
        }


@contextmanager
def verified(folder: Path, entries: Sequence[Entry]) -> Iterator[Verified]:
    runs.write(folder, entries)
    with Rides(folder) as rides:
        for entry in ledger.entries(folder, 0):
            rides.add(entry)
        yield Verified(rides)


def sent_as(number: int) -> list[TakenRecord]:
    return [TakenRecord(number, 0, event_id(number))]


def failure(number: int, data: bytes = b"", event: str | None = None) -> FailedRecord:
    return FailedRecord(event or event_id(number), ride_id(number), data)


def test_every_ride_that_came_to_what_it_had_to_is_a_clean_account(tmp_path: Path) -> None:
    with verified(tmp_path, sent(2, reasons={1: "not_json"})) as run:
        assert run.open == 2
        run.predicted(a_prediction(0))
        run.rejected(a_reject(1))
        assert run.open == 0
        assert run.counts() == {"sent": 2, "predicted": 1, "rejected": 1}
        account = run.account()
        assert account.clean
        assert account.reasons == {"not_json": 1}
        assert account.models == {"ride-duration 3": 1}


def test_a_ride_without_an_outcome_is_lost_and_named(tmp_path: Path) -> None:
    with verified(tmp_path, sent(2)) as run:
        run.predicted(a_prediction(0))
        assert run.open == 1
        assert run.account().lost == [ride_id(1)]
        assert run.counts() == {"sent": 2, "predicted": 1, "lost": 1}
        assert not run.account().clean


def test_what_lambda_gave_up_on_is_failed_not_lost(tmp_path: Path) -> None:
    with verified(tmp_path, sent(1)) as run:
        run.failed(failure(0))
        assert run.open == 0
        assert run.counts() == {"sent": 1, "failed": 1}
        assert not run.account().clean


def test_a_repeat_is_counted_and_is_no_fault(tmp_path: Path) -> None:
    with verified(tmp_path, sent(1)) as run:
        run.predicted(a_prediction(0))
        run.predicted(a_prediction(0))
        assert run.counts() == {"sent": 1, "predicted": 1, "repeated": 1}
        assert run.account().clean


def test_a_reject_object_that_was_written_twice_is_no_repeat(tmp_path: Path) -> None:
    with verified(tmp_path, sent(1, reasons={0: "not_json"})) as run:
        for _ in range(2):
            run.rejected(a_reject(0))
        assert run.counts() == {"sent": 1, "rejected": 1}


@pytest.mark.parametrize(
    ("expected", "came", "complaint"),
    [
        (None, "not_json", "rejected as not_json; should have been predicted"),
        ("schema", "not_json", "rejected as not_json; should have been rejected as schema"),
        ("schema", None, "predicted; should have been rejected as schema"),
    ],
)
def test_another_outcome_than_it_had_to_be_is_unexpected(
    tmp_path: Path, expected: RejectReason | None, came: RejectReason | None, complaint: str
) -> None:
    with verified(tmp_path, sent(1, reasons={0: expected} if expected else {})) as run:
        if came:
            run.rejected(a_reject(0, came))
        else:
            run.predicted(a_prediction(0))
        assert run.account().unexpected == [f"{ride_id(0)}: {complaint}"]
        assert not run.account().clean


def test_a_ride_that_came_to_two_things_is_unexpected(tmp_path: Path) -> None:
    with verified(tmp_path, sent(2)) as run:
        run.predicted(a_prediction(0), a_prediction(1))
        run.rejected(a_reject(0))
        run.failed(failure(1))
        assert run.account().unexpected == [
            f"{ride_id(0)}: both predicted and rejected",
            f"{ride_id(1)}: given up on, and predicted",
        ]


def test_what_was_put_and_never_answered_is_neither_sent_nor_lost(tmp_path: Path) -> None:
    with verified(tmp_path, [Intended(0, [12.0, 13.0])]) as run:
        assert run.open == 0
        assert run.account().unanswered == 2
        assert run.account().clean


def test_what_was_put_without_an_answer_and_predicted_was_sent(tmp_path: Path) -> None:
    with verified(tmp_path, [Intended(0, [12.0, 13.0])]) as run:
        run.predicted(a_prediction(1, "shard-0:99"))
        assert run.counts() == {"sent": 1, "predicted": 1}
        assert run.account().unanswered == 1
        assert run.account().clean


def test_what_a_stream_took_twice_as_its_answer_was_lost_is_a_repeat(tmp_path: Path) -> None:
    entries: list[Entry] = [
        Intended(0, [12.0]),
        Unanswered([PutRecord(0, 0)]),
        Taken(BEGAN.timestamp(), [TakenRecord(0, 0, "shard-0:2")]),
    ]
    with verified(tmp_path, entries) as run:
        run.predicted(a_prediction(0, "shard-0:1"))
        run.predicted(a_prediction(0, "shard-0:2"))
        assert run.counts() == {"sent": 1, "predicted": 1, "repeated": 1}
        assert run.account().clean


def test_each_of_a_ride_and_its_copies_needs_an_outcome_of_its_own(tmp_path: Path) -> None:
    with verified(tmp_path, sent(3, copies={1: 0, 2: 0}, faults={1: "duplicate"})) as run:
        run.predicted(a_prediction(0, event_id(0)), a_prediction(0, event_id(2)))
        assert run.open == 1
        assert run.account().lost == [ride_id(1)]
        run.predicted(a_prediction(0, event_id(1)))
        assert run.counts() == {"sent": 3, "predicted": 3}
        assert run.account().faults == {"duplicate": Survived(1, 1)}


def test_rides_in_an_aggregated_record_are_known_by_their_places_in_it(tmp_path: Path) -> None:
    entries: list[Entry] = [
        Intended(0, [12.0] * 3),
        Taken(BEGAN.timestamp(), [TakenRecord(0, 3, "shard-0:7")]),
    ]
    with verified(tmp_path, entries) as run:
        run.predicted(*(a_prediction(n, f"shard-0:7:{n}") for n in (0, 1, 2)))
        assert run.counts() == {"sent": 3, "predicted": 3}


def test_what_is_packed_in_a_record_that_failed_is_failed(tmp_path: Path) -> None:
    entries: list[Entry] = [
        Intended(0, [12.0] * 2),
        Taken(BEGAN.timestamp(), [TakenRecord(0, 2, "shard-0:7")]),
    ]
    data = kpl.pack([(ride_id(n), b"{}") for n in (0, 1)], "0")
    with verified(tmp_path, entries) as run:
        run.failed(failure(0, data, "shard-0:7"))
        assert run.counts() == {"sent": 2, "failed": 2}


def test_a_damaged_aggregate_that_failed_is_one_ride(tmp_path: Path) -> None:
    with verified(tmp_path, sent(1, reasons={0: "kpl_damaged"})) as run:
        run.failed(failure(0, kpl.MAGIC + b"damaged"))
        assert run.counts() == {"sent": 1, "failed": 1}


def test_an_answer_to_an_event_that_a_ride_was_not_sent_as_is_unexpected(tmp_path: Path) -> None:
    with verified(tmp_path, sent(3, reasons={1: "schema"})) as run:
        run.predicted(a_prediction(0, "shard-1:0"), a_prediction(2))
        run.rejected(a_reject(1, "schema", "shard-1:1"))
        account = run.account()
        assert account.lost == [ride_id(0), ride_id(1)]
        assert account.unexpected == [
            f"{ride_id(n)}: an outcome names an event that it was not sent as" for n in (0, 1)
        ]


def test_an_outcome_of_a_ride_that_was_never_sent_is_unexpected(tmp_path: Path) -> None:
    with verified(tmp_path, sent(1)) as run:
        run.predicted(a_prediction(0), a_prediction(5))
        run.rejected(a_reject(5))  # told twice, it is one ride
        assert run.account().unexpected == ["1 rides have an outcome, but are not in the ledger"]
        assert run.account().unexpected_count == 1


def test_a_failure_of_an_event_that_a_ride_was_not_sent_as_is_unexpected(tmp_path: Path) -> None:
    with verified(tmp_path, sent(1)) as run:
        run.predicted(a_prediction(0))
        run.failed(failure(0, event="shard-1:0"))
        assert run.account().unexpected_count == 1


def test_what_is_not_kept_of_outcomes_that_fit_nothing_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "_MOST_KEPT", 3)
    with verified(tmp_path, sent(5)) as run:
        run.predicted(*(a_prediction(number, f"shard-1:{number}") for number in range(5)))
        account = run.account()
        assert account.unexpected_count == 5
        assert account.unexpected[-1] == ("2 more outcomes name events that were never sent")


@pytest.mark.parametrize("minutes", [-0.01, 1e300])
def test_minutes_that_no_ride_takes_are_unexpected(tmp_path: Path, minutes: float) -> None:
    with verified(tmp_path, sent(2)) as run:
        run.predicted(a_prediction(0), a_prediction(1, minutes=minutes))
        assert run.account().unexpected == [f"{ride_id(1)}: predicted to take an impossible time"]
        assert run.account().accuracy["ride-duration 3"].rides == 1


def test_of_two_rejects_of_one_event_the_wrong_one_is_kept(tmp_path: Path) -> None:
    with verified(tmp_path, sent(1, reasons={0: "schema"})) as run:
        run.rejected(a_reject(0, "schema"))
        run.rejected(a_reject(0, "not_json"))
        run.rejected(a_reject(0, "schema"))
        assert run.account().unexpected_count == 1


def test_rides_that_a_killed_send_may_have_put_are_waited_for(tmp_path: Path) -> None:
    with verified(tmp_path, [Intended(0, [5.0, 5.0]), Taken(1.0, sent_as(0))]) as run:
        assert (run.open, run.unsure) == (1, 1)
        run.predicted(a_prediction(0), a_prediction(1, "shard-0:44"))
        assert (run.open, run.unsure) == (0, 0)
        assert run.account().unanswered == 0


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (Intended(7, [1.0]), "ride 7 is out of order"),
        (Intended(-1, [1.0]), "ride -1 is out of order"),
        (Intended(1, [1.0], reasons={99_999_999: "schema"}), "ride 99999999 is on another ride's"),
        (Intended(1, [1.0], copies={1: 1}), "ride 1 copies a later one, 1"),
        (Intended(1, [1.0], copies={1: -3}), "ride 1 copies a later one, -3"),
        (Taken(1.0, [TakenRecord(99_999_999, 0, "x")]), "ride 99999999 was put before it was"),
        (Taken(1.0, [TakenRecord(0, 2, "x")]), "ride 0 was put before it was intended"),
        (Taken(1.0, [TakenRecord(-1, 0, "x")]), "ride -1 was put before it was intended"),
        (Unanswered([PutRecord(0, -1)]), "ride 0 was put before it was intended"),
    ],
)
def test_a_ledger_that_cannot_be_is_damaged(tmp_path: Path, line: Entry, complaint: str) -> None:
    with (
        pytest.raises(UserError, match=f"a ledger in .* is damaged: {complaint}"),
        verified(tmp_path, [Intended(0, [1.0]), line]),
    ):
        pass


def test_rides_of_others_and_what_a_shadow_says_are_passed_over(tmp_path: Path) -> None:
    with verified(tmp_path, sent(1)) as run:
        run.predicted(
            a_prediction(0, role="shadow", version="4"),
            a_prediction(0, ride="156"),
            a_prediction(0, ride="ffffffff-0-0"),
        )
        run.rejected(a_reject(0, key="156"))
        run.rejected(a_reject(0, key="ffffffff-0-0"))
        run.failed(FailedRecord("shard-0:0", "156", b""))
        assert run.counts() == {"sent": 1, "lost": 1}
        assert run.account().models == {}


def test_a_failed_ride_that_is_sent_again_is_open_until_it_is_answered(tmp_path: Path) -> None:
    with verified(tmp_path, sent(1)) as run:
        run.failed(failure(0))
        assert run.open == 0
        run.redriven(frozenset({event_id(0)}))
        run.failed(failure(0))
        assert run.open == 1
        run.predicted(a_prediction(0, "shard-0:50"))
        assert run.open == 0
        assert run.counts() == {"sent": 1, "predicted": 1, "redriven": 1}
        assert run.account().clean


def test_copies_that_are_both_sent_again_are_each_answered(tmp_path: Path) -> None:
    with verified(tmp_path, sent(2, copies={1: 0}, faults={1: "duplicate"})) as run:
        run.redriven(frozenset({event_id(0), event_id(1)}))
        run.failed(failure(0))
        run.failed(FailedRecord(event_id(1), ride_id(0), b""))
        assert run.open == 2
        run.predicted(a_prediction(0, "shard-0:50"), a_prediction(0, "shard-0:51"))
        assert run.open == 0
        assert run.counts() == {"sent": 2, "predicted": 2, "redriven": 2}
        assert run.account().clean


def test_a_reject_that_is_sent_again_may_be_predicted_or_rejected_again(tmp_path: Path) -> None:
    with verified(tmp_path, sent(2, reasons={1: "schema"})) as run:
        run.redriven(frozenset({event_id(0), event_id(1)}))
        run.rejected(a_reject(0, "model_output"))
        run.predicted(a_prediction(0, "shard-0:50"))
        run.rejected(a_reject(1, "schema"))
        run.rejected(a_reject(1, "schema", "shard-0:51"))
        assert run.counts() == {"sent": 2, "predicted": 1, "rejected": 1, "redriven": 2}
        assert run.account().clean


def test_a_prediction_that_comes_before_the_word_of_its_redrive_is_kept(tmp_path: Path) -> None:
    with verified(tmp_path, sent(1)) as run:
        run.failed(failure(0))
        run.predicted(a_prediction(0, "shard-0:50"))
        run.redriven(frozenset({event_id(0)}))
        run.failed(failure(0))
        assert run.counts() == {"sent": 1, "predicted": 1, "redriven": 1}
        assert run.account().clean


def test_predictions_are_held_against_true_durations(tmp_path: Path) -> None:
    minutes = [10.0, 20.0, 0.5, 300.0, 30.0]
    entries = [Intended(0, minutes, reasons={4: "schema"}), *sent(5)[1:]]
    with verified(tmp_path, entries) as run:
        run.predicted(a_prediction(0, minutes=13.0), a_prediction(1, minutes=16.0))
        run.predicted(a_prediction(2, minutes=9.0), a_prediction(3, minutes=9.0))
        accuracy = run.account().accuracy["ride-duration 3"]
    assert (accuracy.rides, accuracy.left_out) == (2, 2)
    assert accuracy.rmse_minutes == pytest.approx((25 / 2) ** 0.5, abs=1e-3)
    assert accuracy.mae_minutes == 3.5
    assert accuracy.bias_minutes == -0.5


def test_models_are_told_apart(tmp_path: Path) -> None:
    with verified(tmp_path, sent(3)) as run:
        run.predicted(a_prediction(0, minutes=13), a_prediction(1, version="4", minutes=14))
        account = run.account()
    assert account.models == {"ride-duration 3": 1, "ride-duration 4": 1}
    assert account.accuracy["ride-duration 4"].rmse_minutes == 2.0


def test_latency_and_rate_are_counted_over_first_predictions(tmp_path: Path) -> None:
    with verified(tmp_path, sent(4)) as run:
        for number, milliseconds in enumerate((100, 200, 300, 4_000)):
            run.predicted(a_prediction(number), milliseconds=milliseconds)
        run.predicted(a_prediction(0), milliseconds=90_000)
        account = run.account()
    assert account.latency_ms is not None
    assert account.latency_ms.p50 == pytest.approx(200, rel=0.03)
    assert account.latency_ms.p99 == pytest.approx(4_000, rel=0.03)
    assert account.rides_per_second == 1.0


def test_faults_are_counted_with_what_came_of_them(tmp_path: Path) -> None:
    faults = {0: "late", 1: "zone-0", 2: "zone-0", 3: "late"}
    with verified(tmp_path, sent(4, faults=faults, reasons=dict.fromkeys((1, 2), "schema"))) as run:
        run.predicted(a_prediction(0))
        run.rejected(a_reject(1, "schema"))
        run.rejected(a_reject(2, "not_json"))
        assert run.account().faults == {"late": Survived(2, 1), "zone-0": Survived(2, 1)}


def test_many_rides_are_kept_apart(tmp_path: Path) -> None:
    """More than one mapping of the file, and more lines than one."""
    count, step = 150_000, 50_000
    entries: list[Entry] = []
    for first in range(0, count, step):
        numbers = range(first, first + step)
        entries.append(Intended(first, [float(n % 60) for n in numbers]))
        entries.append(Taken(1.0, [TakenRecord(n, 0, event_id(n)) for n in numbers]))
    with verified(tmp_path, entries) as run:
        run.predicted(*(a_prediction(n) for n in range(0, count, 1_000)))
        assert run.open == count - 150
        account = run.account()
    assert account.rides.lost == count - 150
    assert len(account.lost) == 1_000
    assert account.lost[0] == ride_id(1)
