import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from infra.console import UserError
from stream_sim import ledger, producer
from stream_sim.ledger import Ledger
from stream_sim.producer import OutgoingRide, Producer


class FakeStream:
    """Takes records with growing sequence numbers; `disturb` may raise or refuse by key."""

    def __init__(self, disturb: Callable[[int, str], bool] = lambda _call, _key: False) -> None:
        self._disturb = disturb
        self.calls = 0
        self.taken: list[str] = []

    def put_records(self, *, Records: Sequence[Any], **_: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.calls += 1
        results: list[dict[str, str]] = []
        for entry in Records:
            if self._disturb(self.calls, entry["PartitionKey"]):
                results.append({"ErrorCode": "InternalFailure", "ErrorMessage": "no"})
            else:
                self.taken.append(entry["PartitionKey"])
                results.append({"ShardId": "shard-0", "SequenceNumber": str(len(self.taken))})
        return {"Records": results}


def rides(count: int) -> list[OutgoingRide]:
    return [OutgoingRide(str(number), b"{}", None) for number in range(count)]


def send(stream: Any, folder: Path, count: int, rate: float = 1e6) -> list[int]:
    sent: list[int] = []
    with Ledger(folder) as book:
        Producer(stream, "events", book).send(rides(count), rate, sent.append)
    return sent


def test_every_ride_is_taken_once_and_is_in_the_ledger(tmp_path: Path) -> None:
    stream = FakeStream()
    assert sum(send(stream, tmp_path, 1_200)) == 1_200
    assert stream.taken == [str(number) for number in range(1_200)]
    written = ledger.read(tmp_path)
    assert [ride.event_id for ride in written.values()] == [f"shard-0:{n}" for n in range(1, 1_201)]


def test_only_what_was_refused_is_sent_again(tmp_path: Path) -> None:
    stream = FakeStream(lambda call, key: call == 1 and key == "3")
    send(stream, tmp_path, 5)
    assert stream.taken == ["0", "1", "2", "4", "3"]
    assert ledger.read(tmp_path)["3"].event_id == "shard-0:5"


def test_a_stream_that_is_away_is_tried_again(tmp_path: Path) -> None:
    def away_at_first(call: int, _: str) -> bool:
        if call == 1:
            raise EndpointConnectionError(endpoint_url="http://kinesis")
        return False

    stream = FakeStream(away_at_first)
    send(stream, tmp_path, 5)
    assert len(stream.taken) == 5


def test_sending_is_given_up_in_the_end_and_the_ledger_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "_PATIENCE_SECONDS", 0.2)
    with pytest.raises(UserError, match="events refused rides"):
        send(FakeStream(lambda _, key: key == "1"), tmp_path, 3)
    written = ledger.read(tmp_path)
    assert written["1"].event_id is None
    assert written["0"].event_id == "shard-0:1"


def test_an_error_that_will_not_pass_is_not_tried_again(tmp_path: Path) -> None:
    def gone(_call: int, _key: str) -> bool:
        raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "PutRecords")

    stream = FakeStream(gone)
    with pytest.raises(ClientError):
        send(stream, tmp_path, 3)
    assert stream.calls == 1


def test_rides_are_sent_at_the_asked_rate(tmp_path: Path) -> None:
    stream = FakeStream()
    started = time.monotonic()
    send(stream, tmp_path, 100, rate=200)
    # Pacing never runs ahead; that it can lag on a busy machine is not for a test to say.
    assert time.monotonic() - started >= 0.4
    assert stream.calls == 5
