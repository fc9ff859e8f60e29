"""The function's and the simulator's ends of streams and buckets, against moto's."""

import base64
import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from ride_scoring import handler
from ride_scoring.errors import StoreUnavailable
from ride_scoring.events import Reject
from ride_scoring.predictions import OutputRecord
from ride_scoring.rejects import RejectStore
from ride_scoring.sink import PredictionSink
from stream_sim import ledger
from stream_sim.ledger import Ledger
from stream_sim.producer import OutgoingRide, Producer
from stream_sim.reader import Place, StreamReader, StreamRecord
from stream_sim.set_aside import SetAside
from tests.factories import ARRIVED_AT, event_json, shared

AT = datetime(2023, 1, 14, 13, 31, tzinfo=UTC)


def read(reader: StreamReader, count: int, seconds: float = 20) -> list[StreamRecord]:
    deadline = time.monotonic() + seconds
    found: list[StreamRecord] = []
    while len(found) < count and time.monotonic() < deadline:
        found += reader.arrived()
    return found


def test_what_the_sink_puts_the_reader_reads(aws: boto3.Session) -> None:
    records = [OutputRecord(f"{number}".encode(), f"key-{number}") for number in range(700)]
    sink = PredictionSink(aws.client("kinesis"), "ride-predictions")
    assert sink.put(records, lambda: 60.0) == 700
    with StreamReader("ride-predictions", aws) as reader:
        found = read(reader, 700)
    assert sorted(found, key=lambda record: int(record.data))[699].partition_key == "key-699"
    assert {record.data for record in found} == {record.data for record in records}
    assert abs(found[0].arrived_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_reader_reads_on_where_it_stands(aws: boto3.Session) -> None:
    kinesis = aws.client("kinesis")
    sink = PredictionSink(kinesis, "ride-predictions")
    with StreamReader("ride-predictions", aws) as reader:
        sink.put([OutputRecord(b"first", "a")], lambda: 60.0)
        assert [record.data for record in read(reader, 1)] == [b"first"]
        sink.put([OutputRecord(b"second", "a")], lambda: 60.0)
        assert [record.data for record in read(reader, 1)] == [b"second"]


def test_a_reader_that_is_left_with_records_unread_ends_its_processes(aws: boto3.Session) -> None:
    sink = PredictionSink(aws.client("kinesis"), "ride-predictions")
    sink.put([OutputRecord(b"x" * 500, f"key-{n}") for n in range(4_000)], lambda: 60.0)
    with StreamReader("ride-predictions", aws) as reader:
        next(reader.arrived())  # and the rest lies in the queue, more than a pipe holds
        processes = [shard.process for shard in reader._consumer.shards.values()]
        time.sleep(1)
    assert len(processes) == 2
    assert not any(process.is_alive() for process in processes)


def test_a_place_knows_what_was_passed() -> None:
    place = Place()
    assert place.get_iterator_args("s") == {"ShardIteratorType": "TRIM_HORIZON"}
    place.checkpoint("s", "12")
    assert place.get_iterator_args("s")["StartingSequenceNumber"] == "12"
    assert place.passed("s", "9")
    assert place.passed("s", "12")
    assert not place.passed("s", "100")
    assert not place.passed("other", "9")


def test_the_ledgers_event_ids_are_those_that_kinesis_gives(
    aws: boto3.Session, tmp_path: Path
) -> None:
    kinesis = aws.client("kinesis")
    rides = [OutgoingRide(f"ride-{number}", b"{}", None) for number in range(20)]
    with Ledger(tmp_path) as book:
        Producer(kinesis, "ride-events", book).send(rides, 1e6, lambda _: None)
    known = {ride.event_id: ride.ride_id for ride in ledger.read(tmp_path).values()}
    for shard in kinesis.list_shards(StreamName="ride-events")["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName="ride-events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        for record in kinesis.get_records(ShardIterator=iterator)["Records"]:
            event_id = f"{shard['ShardId']}:{record['SequenceNumber']}"
            assert known.pop(event_id) == record["PartitionKey"]
    assert known == {}


def a_reject(number: int) -> Reject:
    return Reject(f"shard-0:{number}", "not_json", "cut", "eA==", f"ride-{number}", AT, AT)


def test_rejects_are_read_back_once(aws: boto3.Session) -> None:
    store = RejectStore(aws.client("s3"), "rejects")
    set_aside = SetAside(aws.client("s3"), "rejects")
    store.put([a_reject(1), a_reject(2)])
    assert list(set_aside.new_rejects()) == [a_reject(1), a_reject(2)]
    assert list(set_aside.new_rejects()) == []
    store.put([a_reject(3)])
    assert list(set_aside.new_rejects()) == [a_reject(3)]


def test_a_batch_that_is_tried_again_overwrites_its_object(aws: boto3.Session) -> None:
    s3 = aws.client("s3")
    for _ in range(2):
        RejectStore(s3, "rejects").put([a_reject(1)])
    (entry,) = s3.list_objects_v2(Bucket="rejects")["Contents"]
    assert entry["Key"] == "rejects/2023/01/14/13/shard-0-1.ndjson"


def test_a_bucket_that_is_not_there_is_a_store_unavailable(aws: boto3.Session) -> None:
    with pytest.raises(StoreUnavailable, match="1 rejects cannot be written to s3://nowhere/"):
        RejectStore(aws.client("s3"), "nowhere").put([a_reject(1)])


@pytest.mark.parametrize("as_text", [False, True])
def test_failures_are_read_whether_aws_writes_them_as_an_object_or_as_text(
    aws: boto3.Session, *, as_text: bool
) -> None:
    kinesis = {"partitionKey": "ride-1", "data": "eA==", "sequenceNumber": "1"}
    payload: Any = {"Records": [{"eventID": "shard-0:1", "kinesis": kinesis}]}
    document = {"version": "1.0", "payload": json.dumps(payload) if as_text else payload}
    aws.client("s3").put_object(
        Bucket="rejects", Key="aws/lambda/mapping/shard/x", Body=json.dumps(document).encode()
    )
    (failure,) = SetAside(aws.client("s3"), "rejects").new_failures()
    assert (failure.event_id, failure.partition_key, failure.data) == ("shard-0:1", "ride-1", b"x")


@pytest.fixture
def function(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """The handler, wired from the environment; nothing is published."""
    for name, value in {
        "MODEL_BUCKET": "models",
        "REJECTS_BUCKET": "rejects",
        "PREDICTIONS_STREAM_NAME": "ride-predictions",
    }.items():
        monkeypatch.setenv(name, value)
    handler._wired.cache_clear()
    yield aws
    handler._wired.cache_clear()
    logging.Logger.manager.loggerDict.pop("ride_scoring", None)  # it writes to a test's output


CONTEXT: Any = SimpleNamespace(aws_request_id="id-1", get_remaining_time_in_millis=lambda: 60_000)


@pytest.mark.usefixtures("function")
def test_without_a_model_the_handler_reports_the_batch_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = json.loads(shared("kinesis/zoomcamp__event.json").read_bytes())
    answer = handler.handler(event, CONTEXT)
    sequence_number = "49630081666084879290581185630324770398608704880802529282"
    assert answer == {"batchItemFailures": [{"itemIdentifier": sequence_number}]}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    (said,) = [line for line in lines if line.get("message") == "batch not done"]
    assert "no model is published" in said["failure"]
    (metrics,) = [line for line in lines if "_aws" in line]
    assert metrics["BatchesNotDone"] == [1.0]


@pytest.mark.usefixtures("function")
def test_no_payload_reaches_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    data = base64.b64encode(event_json(ride_id="very-private")).decode()
    record = {
        "eventID": "shardId-000000000000:1",
        "kinesis": {
            "partitionKey": "very-private",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": ARRIVED_AT,
            "data": data,
        },
    }
    handler.handler({"Records": [record]}, CONTEXT)
    said = capsys.readouterr().out
    assert "batch not done" in said
    assert "very-private" not in said
    assert data not in said
