import base64
import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ride_scoring.errors import AwsError
from ride_scoring.ports import CALL_SECONDS
from ride_scoring.streams import kpl, put_records
from ride_scoring.streams.records import OutputRecord, Put
from ride_scoring.streams.sink import PredictionSink

RESERVED_SECONDS = 2.0
BUSY = "ProvisionedThroughputExceededException"


class FakeKinesis:
    """Reads the body as Kinesis does, and takes its records, but for those that `refuses` names."""

    def __init__(self, refuses: Callable[[int, str], bool] = lambda _call, _key: False) -> None:
        self._refuses = refuses
        self.calls: list[list[str]] = []
        self.taken: list[str] = []
        self.data: list[bytes] = []
        self.seconds: list[float] = []

    def put_records(
        self, body: bytes, count: int, seconds: float = CALL_SECONDS
    ) -> list[str | None]:
        self.seconds.append(seconds)
        request = json.loads(body)
        assert request["StreamName"] == "predictions"
        assert len(request["Records"]) == count
        self.calls.append([record["PartitionKey"] for record in request["Records"]])
        codes: list[str | None] = []
        for record in request["Records"]:
            refused = self._refuses(len(self.calls), record["PartitionKey"])
            codes.append(BUSY if refused else None)
            if not refused:
                self.taken.append(record["PartitionKey"])
                self.data.append(base64.b64decode(record["Data"]))
        return codes


class Clock:
    """Time left, which sleeping uses up."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds

    def sleep(self, seconds: float) -> None:
        self.seconds -= seconds

    def left(self) -> float:
        return self.seconds


def put(
    kinesis: FakeKinesis,
    records: Sequence[OutputRecord],
    clock: Clock | None = None,
    *,
    aggregate: bool = False,
) -> Put:
    clock = clock or Clock()
    return PredictionSink(
        kinesis, "predictions", aggregate=aggregate, sleep=clock.sleep, jitter=lambda: 1.0
    ).put(records, clock.left)


def some(count: int, size: int = 10) -> list[OutputRecord]:
    return [OutputRecord(b"x" * size, str(index)) for index in range(count)]


def test_all_records_go_out_in_order_and_in_calls_of_500() -> None:
    kinesis = FakeKinesis()
    assert put(kinesis, some(1_200)).done == 1_200
    assert [len(call) for call in kinesis.calls] == [500, 500, 200]
    assert kinesis.taken == [str(index) for index in range(1_200)]


def test_no_call_is_larger_than_five_mebibytes() -> None:
    kinesis = FakeKinesis()
    assert put(kinesis, some(12, size=1024 * 1024)).done == 12
    assert max(len(call) for call in kinesis.calls) == 4


def test_only_what_was_refused_is_sent_again() -> None:
    kinesis = FakeKinesis(lambda call, key: call == 1 and key in {"1", "3"})
    assert put(kinesis, some(5)).done == 5
    assert kinesis.calls == [["0", "1", "2", "3", "4"], ["1", "3"]]


def test_no_later_chunk_is_sent_before_an_earlier_one_is_done() -> None:
    kinesis = FakeKinesis(lambda call, key: call < 3 and key == "499")
    assert put(kinesis, some(501)).done == 501
    assert [call[0] for call in kinesis.calls] == ["0", "499", "499", "500"]


def test_when_time_runs_out_the_first_refused_record_is_said() -> None:
    kinesis = FakeKinesis(lambda _, key: key in {"502", "504"})
    clock = Clock(20.0)
    assert put(kinesis, some(700), clock).done == 502
    assert RESERVED_SECONDS <= clock.left() < RESERVED_SECONDS + CALL_SECONDS


def test_a_call_is_given_no_more_than_what_is_left_but_for_the_reserve() -> None:
    kinesis = FakeKinesis()
    assert put(kinesis, some(3), Clock(60.0)).done == 3
    assert put(kinesis, some(3), Clock(3.0)).done == 3  # Lambda's own default
    assert kinesis.seconds == [CALL_SECONDS, 1.0]


def test_no_call_is_begun_that_would_outlive_the_function() -> None:
    kinesis = FakeKinesis()
    done = put(kinesis, some(3), Clock(RESERVED_SECONDS + 0.4))
    assert done.done == 0
    assert "no time was left for a call" in str(done.failure)
    assert kinesis.calls == []


def test_a_call_that_fails_is_a_call_whose_records_were_all_refused() -> None:
    class Flaky(FakeKinesis):
        def put_records(
            self, body: bytes, count: int, seconds: float = CALL_SECONDS
        ) -> list[str | None]:
            if not self.calls:
                self.calls.append([])
                raise AwsError("no answer", "ConnectTimeoutError")
            return super().put_records(body, count, seconds)

    kinesis = Flaky()
    assert put(kinesis, some(3)) == Put(3, retried=3)
    assert kinesis.taken == ["0", "1", "2"]


class Refusing(FakeKinesis):
    """Refuses every call."""

    def __init__(self, code: str, *, hopeless: bool) -> None:
        super().__init__()
        self._code = code
        self._hopeless = hopeless

    def put_records(
        self, body: bytes, count: int, seconds: float = CALL_SECONDS
    ) -> list[str | None]:
        self.calls.append([])
        said = f"{count} records of {len(body)} bytes not taken in {seconds} s"
        raise AwsError(said, self._code, hopeless=self._hopeless)


@pytest.mark.parametrize(
    ("code", "throttled"),
    [
        ("ProvisionedThroughputExceededException", True),
        ("KMSThrottlingException", True),
        ("InternalFailure", False),
        ("503", False),
    ],
)
def test_what_may_pass_is_waited_for(code: str, *, throttled: bool) -> None:
    kinesis = Refusing(code, hopeless=False)
    done = put(kinesis, some(3))
    assert (done.done, code in str(done.failure)) == (0, True)
    assert len(kinesis.calls) > 1
    assert bool(done.throttled) == throttled


def test_what_waiting_does_not_mend_is_given_back_at_once(caplog: pytest.LogCaptureFixture) -> None:
    kinesis, clock = Refusing("ResourceNotFoundException", hopeless=True), Clock()
    done = put(kinesis, some(3), clock)
    assert (done.done, done.retried) == (0, 0)
    assert "ResourceNotFoundException" in str(done.failure)
    assert len(kinesis.calls) == 1
    assert clock.left() == 60.0
    assert "not taken in 5.0 s" in caplog.text


def test_what_is_sent_again_and_why_is_counted() -> None:
    kinesis = FakeKinesis(lambda call, key: call < 3 and key in {"1", "3"})
    assert put(kinesis, some(5)) == Put(5, retried=4, throttled=4)
    busy = put(FakeKinesis(lambda *_: True), some(2), Clock(8.0))
    assert BUSY in str(busy.failure)


@pytest.mark.parametrize("count", [0, 1, 500, 501])
def test_every_size_of_batch_is_done(count: int) -> None:
    assert put(FakeKinesis(), some(count)).done == count


@pytest.mark.parametrize("key", ['a "quoted" key', "naïve", "\\", "\u2028", "😀"])
def test_any_partition_key_reaches_the_stream_as_it_is(key: str) -> None:
    kinesis = FakeKinesis()
    put(kinesis, [OutputRecord(b"\x00\xff", key)])
    assert (kinesis.taken, kinesis.data) == ([key], [b"\x00\xff"])


def test_aggregated_predictions_come_out_one_by_one_and_in_order() -> None:
    kinesis = FakeKinesis()
    assert put(kinesis, some(1_200, size=450), aggregate=True).done == 1_200
    users = [user for data in kinesis.data for user in kpl.user_records(data)]
    assert [user.partition_key for user in users] == [str(index) for index in range(1_200)]
    assert len(kinesis.data) == 12


@pytest.mark.thorough
@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=20), st.integers(0, 40_000)), min_size=1)
    | st.lists(st.tuples(st.just("a"), st.integers(1, 60)), min_size=1_000, max_size=1_200)
)
def test_an_aggregate_of_several_stays_within_two_payload_units(
    keys_and_sizes: list[tuple[str, int]],
) -> None:
    records = [OutputRecord(b"x" * size, key) for key, size in keys_and_sizes]
    packed = put_records.aggregated(records)
    assert sum(record.holds for record in packed) == len(records)
    for record in packed:
        record_bytes = len(record.data) + len(record.partition_key.encode())
        assert record.holds == 1 or record_bytes <= 2 * 25_000


@pytest.mark.parametrize("size", [450, 3_000])
def test_an_aggregate_is_as_full_as_two_payload_units_allow(size: int) -> None:
    *full, _ = put_records.aggregated(some(1_200, size))
    assert min(len(record.data) for record in full) + size + 1_000 > 2 * 25_000


def test_an_aggregate_and_all_in_it_have_one_explicit_hash_key() -> None:
    (packed,) = put_records.aggregated(some(3))
    assert packed.holds == 3
    assert {user.explicit_hash_key for user in kpl.user_records(packed.data)} == {
        packed.explicit_hash_key
    }
    (entry,) = json.loads(put_records.body("predictions", [packed]))["Records"]
    assert entry["ExplicitHashKey"] == packed.explicit_hash_key
    assert 0 <= int(entry["ExplicitHashKey"]) < 2**128


def test_of_aggregates_that_are_refused_the_first_prediction_is_said() -> None:
    kinesis = FakeKinesis(lambda _, key: key != "0")
    done = put(kinesis, some(300, size=450), Clock(20.0), aggregate=True).done
    assert done == put_records.aggregated(some(300, size=450))[0].holds
