"""The function's and the simulator's ends of the rejects bucket, against moto's."""

import json
import os
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from ride_scoring.aws import connect
from ride_scoring.errors import StoreUnavailable
from ride_scoring.events import Reject
from ride_scoring.rejects import RejectStore
from stream_sim.set_aside import SetAside, rejects_bucket

AT = datetime(2023, 1, 14, 13, 31, tzinfo=UTC)


def a_reject(number: int) -> Reject:
    return Reject(f"shard-0:{number}", "not_json", "cut", "eA==", f"ride-{number}", AT, AT)


def test_rejects_are_read_back_once(aws: boto3.Session) -> None:
    store = RejectStore(connect(os.environ).s3, "rejects")
    set_aside = SetAside(rejects_bucket(aws.client("s3"), "rejects"))
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
    (failure,) = SetAside(rejects_bucket(aws.client("s3"), "rejects")).new_failures()
    assert (failure.event_id, failure.partition_key, failure.data) == ("shard-0:1", "ride-1", b"x")
