from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from ride_scoring import sink
from ride_scoring.predictions import OutputRecord
from ride_scoring.sink import PredictionSink


class FakeKinesis:
    """Takes records, but for those that `refuses` names while it does."""

    def __init__(self, refuses: Callable[[int, str], bool] = lambda _call, _key: False) -> None:
        self._refuses = refuses
        self.calls: list[list[str]] = []
        self.taken: list[str] = []

    def put_records(self, *, Records: Sequence[Any], StreamName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        assert StreamName == "predictions"
        self.calls.append([record["PartitionKey"] for record in Records])
        results: list[dict[str, str]] = []
        for entry in Records:
            if self._refuses(len(self.calls), entry["PartitionKey"]):
                results.append({"ErrorCode": "ProvisionedThroughputExceededException"})
            else:
                self.taken.append(entry["PartitionKey"])
                results.append({"SequenceNumber": "1", "ShardId": "shardId-0"})
        return {"Records": results}


class Clock:
    """Time left, which sleeping uses up."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds

    def sleep(self, seconds: float) -> None:
        self.seconds -= seconds

    def left(self) -> float:
        return self.seconds


def put(kinesis: Any, records: Sequence[OutputRecord], clock: Clock | None = None) -> int:
    clock = clock or Clock()
    return PredictionSink(kinesis, "predictions", sleep=clock.sleep, jitter=lambda: 1.0).put(
        records, clock.left
    )


def some(count: int, size: int = 10) -> list[OutputRecord]:
    return [OutputRecord(b"x" * size, str(index)) for index in range(count)]


def test_all_records_go_out_in_order_and_in_calls_of_500() -> None:
    kinesis = FakeKinesis()
    assert put(kinesis, some(1_200)) == 1_200
    assert [len(call) for call in kinesis.calls] == [500, 500, 200]
    assert kinesis.taken == [str(index) for index in range(1_200)]


def test_no_call_is_larger_than_five_mebibytes() -> None:
    kinesis = FakeKinesis()
    assert put(kinesis, some(12, size=1024 * 1024)) == 12
    assert max(len(call) for call in kinesis.calls) == 4


def test_only_what_was_refused_is_sent_again() -> None:
    kinesis = FakeKinesis(lambda call, key: call == 1 and key in {"1", "3"})
    assert put(kinesis, some(5)) == 5
    assert kinesis.calls == [["0", "1", "2", "3", "4"], ["1", "3"]]


def test_no_later_chunk_is_sent_before_an_earlier_one_is_done() -> None:
    kinesis = FakeKinesis(lambda call, key: call < 3 and key == "499")
    assert put(kinesis, some(501)) == 501
    assert [call[0] for call in kinesis.calls] == ["0", "499", "499", "500"]


def test_when_time_runs_out_the_first_refused_record_is_said() -> None:
    kinesis = FakeKinesis(lambda _, key: key in {"502", "504"})
    clock = Clock(20.0)
    assert put(kinesis, some(700), clock) == 502
    assert clock.left() >= sink.RESERVED_SECONDS + sink.CALL_SECONDS


def test_no_call_is_begun_that_might_outlive_the_function() -> None:
    kinesis = FakeKinesis()
    assert put(kinesis, some(3), Clock(sink.RESERVED_SECONDS + sink.CALL_SECONDS - 0.1)) == 0
    assert kinesis.calls == []


def test_a_call_that_fails_is_a_call_whose_records_were_all_refused() -> None:
    class Flaky(FakeKinesis):
        def put_records(self, **request: Any) -> dict[str, Any]:
            if not self.calls:
                self.calls.append([])
                raise ConnectTimeoutError(endpoint_url="http://kinesis")
            return super().put_records(**request)

    kinesis = Flaky()
    assert put(kinesis, some(3)) == 3
    assert kinesis.taken == ["0", "1", "2"]


def test_what_waiting_does_not_mend_is_given_back_at_once(caplog: pytest.LogCaptureFixture) -> None:
    class Gone(FakeKinesis):
        def put_records(self, **_: Any) -> dict[str, Any]:
            self.calls.append([])
            error: Any = {"Code": "ResourceNotFoundException", "Message": "no stream for x-payload"}
            raise ClientError({"Error": error}, "PutRecords")

    kinesis, clock = Gone(), Clock()
    assert put(kinesis, some(3), clock) == 0
    assert len(kinesis.calls) == 1
    assert clock.left() == 60.0
    assert "ResourceNotFoundException" in caplog.text
    assert "x-payload" not in caplog.text


@pytest.mark.parametrize("count", [0, 1, 500, 501])
def test_every_size_of_batch_is_done(count: int) -> None:
    assert put(FakeKinesis(), some(count)) == count
