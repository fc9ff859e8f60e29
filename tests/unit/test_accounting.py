from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.console import UserError
from ride_scoring.events import Prediction, Reject, RejectReason, Ride, RideDuration
from stream_sim import ledger
from stream_sim.ledger import Intended, Ledger, SentRide, Taken
from stream_sim.reconcile import Account, Reconciliation
from stream_sim.set_aside import FailedRecord

AT = datetime(2026, 1, 1, tzinfo=UTC)


def sent(*rides: tuple[str, RejectReason | None]) -> dict[str, SentRide]:
    return {
        ride_id: SentRide(ride_id, reason, f"shard-0:{number}", AT.timestamp())
        for number, (ride_id, reason) in enumerate(rides)
    }


def predict(account: Reconciliation, ride_id: str, event_id: str, milliseconds: int = 100) -> None:
    prediction = Prediction(
        model="ride-duration",
        version="3",
        prediction=RideDuration(12.0, ride_id),
        event_id=event_id,
        run_id="run",
        role="champion",
        ride=Ride(1, 2, 3.0),
        arrived_at=AT,
        scored_at=AT,
    )
    account.predicted(prediction, AT + timedelta(milliseconds=milliseconds))


def reject(ride_id: str, event_id: str, reason: RejectReason = "not_json") -> Reject:
    return Reject(event_id, reason, "", "", ride_id, AT, AT)


def counts(account: Account) -> dict[str, int]:
    rides = account.rides
    return {
        name: getattr(rides, name) for name in rides.__struct_fields__ if getattr(rides, name) != 0
    }


def test_every_ride_that_came_to_what_it_had_to_is_a_clean_account() -> None:
    account = Reconciliation(sent(("a", None), ("b", "not_json")))
    predict(account, "a", "shard-0:0")
    account.rejected(reject("b", "shard-0:1"))
    assert account.open == 0
    assert counts(account.account()) == {"sent": 2, "predicted": 1, "rejected": 1}
    assert account.account().clean
    assert account.account().reasons == {"not_json": 1}
    assert account.account().models == {"ride-duration 3": 1}


def test_a_ride_without_an_outcome_is_lost_and_named() -> None:
    account = Reconciliation(sent(("a", None), ("b", None)))
    predict(account, "a", "shard-0:0")
    assert account.open == 1
    assert account.account().lost == ["b"]
    assert not account.account().clean


def test_what_lambda_gave_up_on_is_failed_not_lost() -> None:
    account = Reconciliation(sent(("a", None)))
    account.failed(FailedRecord("shard-0:0", "a", b""))
    assert counts(account.account()) == {"sent": 1, "failed": 1}
    assert not account.account().clean


def test_a_repeat_is_counted_and_is_no_fault() -> None:
    account = Reconciliation(sent(("a", None)))
    predict(account, "a", "shard-0:0")
    predict(account, "a", "shard-0:0")
    assert counts(account.account()) == {"sent": 1, "predicted": 1, "repeated": 1}
    assert account.account().clean


def test_a_reject_object_that_was_written_twice_is_no_repeat() -> None:
    account = Reconciliation(sent(("a", "not_json")))
    for _ in range(2):
        account.rejected(reject("a", "shard-0:0"))
    assert counts(account.account()) == {"sent": 1, "rejected": 1}


@pytest.mark.parametrize(
    ("expected", "came", "complaint"),
    [
        (None, "not_json", "rejected as not_json, though it had to be predicted"),
        ("schema", "not_json", "rejected as not_json, though it had to be rejected as schema"),
        ("schema", None, "predicted, though it had to be rejected as schema"),
    ],
)
def test_another_outcome_than_it_had_to_be_is_unexpected(
    expected: RejectReason | None, came: RejectReason | None, complaint: str
) -> None:
    account = Reconciliation(sent(("a", expected)))
    if came:
        account.rejected(reject("a", "shard-0:0", came))
    else:
        predict(account, "a", "shard-0:0")
    assert account.account().unexpected == [f"a: {complaint}"]
    assert not account.account().clean


def test_a_ride_that_was_both_predicted_and_rejected_is_unexpected() -> None:
    account = Reconciliation(sent(("a", None)))
    predict(account, "a", "shard-0:0")
    account.rejected(reject("a", "shard-0:0"))
    assert account.account().unexpected == ["a: both predicted and rejected"]


def test_a_ride_that_was_both_given_up_on_and_predicted_is_unexpected() -> None:
    account = Reconciliation(sent(("a", None)))
    predict(account, "a", "shard-0:0")
    account.failed(FailedRecord("shard-0:0", "a", b""))
    assert account.account().unexpected == ["a: given up on, and predicted"]


def test_predictions_that_were_swapped_are_unexpected() -> None:
    account = Reconciliation(sent(("a", None), ("b", None)))
    predict(account, "b", "shard-0:0")
    predict(account, "a", "shard-0:1")
    assert account.account().unexpected == [
        "a: its prediction is for ride b",
        "b: its prediction is for ride a",
    ]


def test_a_put_that_nobody_answered_is_not_silent() -> None:
    account = Reconciliation({"a": SentRide("a", None, None, None)}).account()
    assert counts(account) == {}
    assert account.unanswered == 1


def test_rides_of_other_runs_are_passed_over() -> None:
    account = Reconciliation(sent(("a", None)))
    predict(account, "z", "shard-0:99")
    account.rejected(reject("y", "shard-0:98"))
    assert counts(account.account()) == {"sent": 1, "lost": 1}


def test_a_ride_whose_put_was_never_answered_counts_once_it_comes_out() -> None:
    rides = {"a": SentRide("a", None, None, None), "b": SentRide("b", None, None, None)}
    account = Reconciliation(rides)
    predict(account, "a", "shard-0:5")
    assert counts(account.account()) == {"sent": 1, "predicted": 1}
    assert account.account().clean


def test_latency_and_rate_come_from_the_arrivals() -> None:
    account = Reconciliation(sent(*((str(number), None) for number in range(100))))
    for number in range(100):
        predict(account, str(number), f"shard-0:{number}", milliseconds=10 * (number + 1))
    latency = account.account().latency_ms
    assert latency is not None
    assert (latency.p50, latency.p95, latency.p99) == (505.0, 950.5, 990.1)
    assert account.account().rides_per_second == 100.0


def test_a_ledger_reads_back_what_was_written(tmp_path: Path) -> None:
    with Ledger(tmp_path) as book:
        book.write([Intended("a", None), Intended("b", "schema")])
        book.write([Taken("a", "shard-0:1", 12.5)])
    assert ledger.read(tmp_path) == {
        "a": SentRide("a", None, "shard-0:1", 12.5),
        "b": SentRide("b", "schema", None, None),
    }


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path: Path) -> None:
    with Ledger(tmp_path) as book:
        book.write([Intended("a", None), Taken("a", "shard-0:1", 12.5)])
    path = tmp_path / ledger.FILE_NAME
    path.write_bytes(path.read_bytes()[:-7])
    assert ledger.read(tmp_path)["a"].event_id is None


def test_a_ledger_is_never_written_over(tmp_path: Path) -> None:
    with Ledger(tmp_path):
        pass
    with pytest.raises(UserError, match="cannot be begun \\(File exists\\)"):
        Ledger(tmp_path)


def test_the_newest_ledger_is_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="send rides first"):
        ledger.newest(tmp_path)
    with Ledger(tmp_path / "run"):
        assert ledger.newest(tmp_path) == tmp_path / "run"
    with pytest.raises(UserError, match="send rides first"):
        ledger.read(tmp_path / "elsewhere")
