"""The function's and the simulator's ends of streams and buckets, against moto's."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from ride_scoring.aws import connect
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

AT = datetime(2023, 1, 14, 13, 31, tzinfo=UTC)


def read(reader: StreamReader, count: int, seconds: float = 20) -> list[StreamRecord]:
    deadline = time.monotonic() + seconds
    found: list[StreamRecord] = []
    while len(found) < count and time.monotonic() < deadline:
        found += reader.arrived()
    return found


def test_what_the_sink_puts_the_reader_reads(aws: boto3.Session) -> None:
    records = [OutputRecord(f"{number}".encode(), f"key-{number}") for number in range(700)]
    sink = PredictionSink(connect(os.environ).kinesis, "ride-predictions")
    assert sink.put(records, lambda: 60.0).done == 700
    with StreamReader("ride-predictions", aws) as reader:
        found = read(reader, 700)
    assert sorted(found, key=lambda record: int(record.data))[699].partition_key == "key-699"
    assert {record.data for record in found} == {record.data for record in records}
    assert abs(found[0].arrived_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_reader_reads_on_where_it_stands(aws: boto3.Session) -> None:
    sink = PredictionSink(connect(os.environ).kinesis, "ride-predictions")
    with StreamReader("ride-predictions", aws) as reader:
        sink.put([OutputRecord(b"first", "a")], lambda: 60.0)
        assert [record.data for record in read(reader, 1)] == [b"first"]
        sink.put([OutputRecord(b"second", "a")], lambda: 60.0)
        assert [record.data for record in read(reader, 1)] == [b"second"]


def test_a_reader_that_is_left_with_records_unread_ends_its_processes(aws: boto3.Session) -> None:
    sink = PredictionSink(connect(os.environ).kinesis, "ride-predictions")
    sink.put([OutputRecord(b"x" * 500, f"key-{n}") for n in range(4_000)], lambda: 60.0)
    with StreamReader("ride-predictions", aws) as reader:
        while next(reader.arrived(), None) is None:  # the readers need a moment to start
            pass
        # The rest lies in the queue, more than a pipe holds.
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
    store = RejectStore(connect(os.environ).s3, "rejects")
    set_aside = SetAside(aws.client("s3"), "rejects")
    store.put([a_reject(1), a_reject(2)])
    assert list(set_aside.new_rejects()) == [a_reject(1), a_reject(2)]
    assert list(set_aside.new_rejects()) == []
    store.put([a_reject(3)])
    assert list(set_aside.new_rejects()) == [a_reject(3)]


def test_a_batch_that_is_tried_again_overwrites_its_object(aws: boto3.Session) -> None:
    for _ in range(2):
        RejectStore(connect(os.environ).s3, "rejects").put([a_reject(1)])
    (entry,) = aws.client("s3").list_objects_v2(Bucket="rejects")["Contents"]
    assert entry["Key"] == "rejects/2023/01/14/13/shard-0-1.ndjson"


@pytest.mark.usefixtures("aws")
def test_a_bucket_that_is_not_there_is_a_store_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="1 rejects cannot be written to s3://nowhere/"):
        RejectStore(connect(os.environ).s3, "nowhere").put([a_reject(1)])


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
