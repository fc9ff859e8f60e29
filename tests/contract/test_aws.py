"""The function's own AWS client against moto, as boto3 sees what it did."""

import base64
import os
from typing import Any

import boto3
import msgspec
import pytest

from ride_scoring.aws import Aws, StoredObject, connect
from ride_scoring.errors import AwsError


@pytest.fixture
def own(aws: boto3.Session) -> Aws:  # noqa: ARG001 - sets the environment
    return connect(os.environ)


def put_records_body(stream: str, *payloads: bytes) -> bytes:
    records = [
        {"Data": base64.b64encode(payload).decode(), "PartitionKey": str(number)}
        for number, payload in enumerate(payloads)
    ]
    return msgspec.json.encode({"StreamName": stream, "Records": records})


def read_stream(session: boto3.Session, stream: str) -> list[bytes]:
    kinesis = session.client("kinesis")
    records: list[Any] = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records += kinesis.get_records(ShardIterator=iterator)["Records"]
    return [record["Data"] for record in records]


@pytest.mark.parametrize("body", [b"", b"rides\n" * 100_000])
@pytest.mark.parametrize("key", ["k", "a b+c/ü~d=e/%20//x"])
def test_an_object_comes_back_as_it_was_put(
    own: Aws, aws: boto3.Session, key: str, body: bytes
) -> None:
    own.s3.put("rejects", key, body, "application/x-ndjson")
    seen = aws.client("s3").get_object(Bucket="rejects", Key=key)
    assert seen["Body"].read() == body
    assert seen["ContentType"] == "application/x-ndjson"
    assert own.s3.get("rejects", key) == StoredObject(body, seen["ETag"])


def test_an_object_is_given_again_only_after_it_changed(own: Aws) -> None:
    own.s3.put("models", "pointer", b"1", "application/json")
    first = own.s3.get("models", "pointer")
    assert first is not None
    assert own.s3.get("models", "pointer", unless_etag=first.etag) is None
    own.s3.put("models", "pointer", b"2", "application/json")
    second = own.s3.get("models", "pointer", unless_etag=first.etag)
    assert second is not None
    assert second.body == b"2"


@pytest.mark.parametrize(
    ("bucket", "code"), [("models", "NoSuchKey"), ("no-such-bucket", "NoSuchBucket")]
)
def test_what_is_not_there_is_told_by_awss_code(own: Aws, bucket: str, code: str) -> None:
    with pytest.raises(AwsError) as refused:
        own.s3.get(bucket, "missing")
    assert refused.value.code == code


def test_records_arrive_as_they_were_put(own: Aws, aws: boto3.Session) -> None:
    payloads = [b'{"ride_id": 1}', bytes(range(256)), "zö".encode()]
    body = put_records_body("ride-predictions", *payloads)
    assert own.kinesis.put_records(body, 3) == [None] * 3
    assert sorted(read_stream(aws, "ride-predictions")) == sorted(payloads)


def test_a_stream_that_is_not_there_is_told_by_awss_code(own: Aws) -> None:
    with pytest.raises(AwsError) as refused:
        own.kinesis.put_records(put_records_body("no-such-stream", b"x"), 1)
    assert refused.value.code == "ResourceNotFoundException"
