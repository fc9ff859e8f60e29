"""The function's and the simulator's ends of the rejects bucket, against moto's."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import msgspec
import pytest
from botocore.config import Config
from moto.s3.models import s3_backends

from infra.common import ports
from infra.common.console import UserError
from ride_scoring.aws import connect
from ride_scoring.errors import StoreUnavailable
from ride_scoring.streams.records import Reject
from ride_scoring.streams.rejects import RejectStore
from stream_sim.kinesis.dead_letters import DeadLetters, rejects_bucket
from stream_sim.kinesis.marks import Mark
from stream_sim.verify.redriven import Redriven
from tests.contract.door import Door

AT = datetime(2023, 1, 14, 13, 31, tzinfo=UTC)


def a_reject(number: int) -> Reject:
    return Reject(f"shard-0:{number}", "not_json", "cut", "eA==", f"ride-{number}", AT, AT)


def a_reader(aws: boto3.Session, since: datetime = AT, **settings: Any) -> DeadLetters:
    return DeadLetters(rejects_bucket(aws.client("s3"), "rejects"), since, **settings)


def put(aws: boto3.Session, key: str, body: bytes) -> None:
    aws.client("s3").put_object(Bucket="rejects", Key=key, Body=body)


def put_reject(aws: boto3.Session, key: str, number: int) -> None:
    put(aws, f"rejects/{key}.ndjson", msgspec.json.encode(a_reject(number)) + b"\n")


def a_failure(number: int) -> bytes:
    kinesis = {"partitionKey": "key", "data": "eA==", "sequenceNumber": str(number)}
    records = [{"eventID": f"shard-0:{number}", "kinesis": kinesis}]
    return json.dumps({"payload": {"Records": records}}).encode()


def let_objects_grow_old(by: timedelta) -> None:
    """So much time passes by S3's clock."""
    (backend,) = (found for found in s3_backends["123456789012"].values() if found.buckets)
    keys: Any = backend.buckets["rejects"].keys
    for key in list(keys):
        keys[key].last_modified -= by


@contextlib.contextmanager
def objects_read(s3: Any) -> Iterator[list[str]]:
    """The keys of the objects that the client reads meanwhile."""
    found: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        found.append(params["Key"])

    s3.meta.events.register("provide-client-params.s3.GetObject", note)
    yield found
    s3.meta.events.unregister("provide-client-params.s3.GetObject", note)


def numbers(set_aside: DeadLetters) -> list[str]:
    return [reject.partition_key for reject in set_aside.new_rejects()]


def test_rejects_are_read_back_once(aws: boto3.Session) -> None:
    store = RejectStore(connect(os.environ).s3, "rejects")
    set_aside = a_reader(aws)
    store.put([a_reject(1), a_reject(2)])
    assert list(set_aside.new_rejects()) == [a_reject(1), a_reject(2)]
    assert list(set_aside.new_rejects()) == []
    store.put([a_reject(3)])
    assert list(set_aside.new_rejects()) == [a_reject(3)]


def test_a_batch_that_is_tried_again_overwrites_its_object(aws: boto3.Session) -> None:
    for _ in range(2):
        RejectStore(connect(os.environ).s3, "rejects").put([a_reject(1)])
    (entry,) = aws.client("s3").list_objects_v2(Bucket="rejects")["Contents"]
    assert re.fullmatch(r"rejects/2023/01/14/13/shard-0-1-[0-9a-f]{16}\.ndjson", entry["Key"])


def test_a_part_of_a_batch_that_is_written_late_takes_no_reject_away(aws: boto3.Session) -> None:
    store = RejectStore(connect(os.environ).s3, "rejects")
    store.put([a_reject(1), a_reject(2)])
    store.put([a_reject(1)])
    found = list(a_reader(aws).new_rejects())
    assert sorted(reject.event_id for reject in found) == ["shard-0:1", "shard-0:1", "shard-0:2"]


@pytest.mark.parametrize("change", [{"data_base64": "eQ=="}, {"partition_key": "ride-2"}])
def test_rejects_of_two_batches_that_share_an_id_are_both_kept(
    aws: boto3.Session, change: dict[str, str]
) -> None:
    store = RejectStore(connect(os.environ).s3, "rejects")
    other = msgspec.structs.replace(a_reject(1), **change)
    store.put([a_reject(1)])
    store.put([other])
    found = {(r.partition_key, r.data_base64) for r in a_reader(aws).new_rejects()}
    assert found == {(r.partition_key, r.data_base64) for r in (a_reject(1), other)}


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
    (failure,) = a_reader(aws).new_failures()
    assert (failure.event_id, failure.partition_key, failure.data) == ("shard-0:1", "ride-1", b"x")


@pytest.mark.parametrize(
    "damage", [b"{", b"\xff", b"null", b"[" * 100_000, b'{"payload": {"Records": [{"sqs": 1}]}}']
)
def test_what_cannot_be_read_is_passed_over_and_named(aws: boto3.Session, damage: bytes) -> None:
    passed_over: list[str] = []
    set_aside = a_reader(aws, passed_over=passed_over.append)
    put(aws, "rejects/2023/01/14/13/a.ndjson", damage + b"\n" + msgspec.json.encode(a_reject(1)))
    put_reject(aws, "2023/01/14/13/b", 2)
    put(aws, "aws/lambda/m/s/a", damage)
    put(aws, "aws/lambda/m/s/b", a_failure(3))
    assert numbers(set_aside) == ["ride-1", "ride-2"]
    assert [failure.event_id for failure in set_aside.new_failures()] == ["shard-0:3"]
    assert passed_over == ["rejects/2023/01/14/13/a.ndjson", "aws/lambda/m/s/a"]
    assert numbers(set_aside) == []
    assert len(passed_over) == 2


def test_what_was_set_aside_before_is_not_read(aws: boto3.Session) -> None:
    now = datetime.now(UTC)
    put(aws, "aws/lambda/m/s/a", a_failure(1))
    put_reject(aws, f"{now:%Y/%m/%d/%H}/a", 1)
    let_objects_grow_old(timedelta(hours=1))
    put(aws, "aws/lambda/m/s/b", a_failure(2))
    put_reject(aws, f"{now:%Y/%m/%d/%H}/b", 2)
    s3 = aws.client("s3")
    set_aside = DeadLetters(rejects_bucket(s3, "rejects"), now - timedelta(minutes=15))
    with objects_read(s3) as read:
        assert [failure.event_id for failure in set_aside.new_failures()] == ["shard-0:2"]
        assert numbers(set_aside) == ["ride-2"]
    assert len(read) == 2


def test_days_of_rejects_are_told_once_and_not_remembered(aws: boto3.Session) -> None:
    set_aside = a_reader(aws)
    for day in range(1, 6):
        put_reject(aws, f"2023/01/{13 + day}/23/late", 10 * day)
        put_reject(aws, f"2023/01/{14 + day}/02/x", day)
        assert sorted(numbers(set_aside)) == sorted([f"ride-{10 * day}", f"ride-{day}"])
        let_objects_grow_old(timedelta(days=1))
    put_reject(aws, "2023/01/14/23/later", 7)
    assert numbers(set_aside) == ["ride-7"]
    assert len(set_aside._rejects._read) == 1
    set_aside.tell_again()
    assert len(numbers(set_aside)) == 11


def test_a_listing_begins_so_long_before_the_latest_reject(aws: boto3.Session) -> None:
    now = datetime.now(UTC)
    set_aside = a_reader(aws, now - timedelta(days=1), look_back=timedelta(hours=6))
    put_reject(aws, f"{now - timedelta(hours=20):%Y/%m/%d/%H}/a", 1)
    assert numbers(set_aside) == ["ride-1"]
    put_reject(aws, f"{now - timedelta(hours=20):%Y/%m/%d/%H}/b", 2)
    put_reject(aws, f"{now - timedelta(hours=5):%Y/%m/%d/%H}/c", 3)
    assert numbers(set_aside) == ["ride-3"]


def test_a_bucket_that_is_away_is_trouble_until_it_answers(aws: boto3.Session) -> None:
    (door := Door()).open()
    s3 = aws.client(
        "s3",
        endpoint_url=f"http://{ports.HOST}:{door.port}",
        config=Config(retries={"total_max_attempts": 1}),
    )
    set_aside = DeadLetters(rejects_bucket(s3, "rejects"), AT)
    put_reject(aws, "2023/01/14/13/a", 1)
    with set_aside.patiently():
        assert numbers(set_aside) == ["ride-1"]
    put_reject(aws, "2023/01/14/13/b", 2)
    door.close()
    with set_aside.patiently():
        numbers(set_aside)
    assert str(door.port) in str(set_aside.trouble)
    assert set_aside.silent_seconds > 0
    door.open()
    with set_aside.patiently():
        assert numbers(set_aside) == ["ride-2"]
    assert (set_aside.trouble, set_aside.silent_seconds) == (None, 0)
    door.close()


def test_a_bucket_that_refuses_is_no_bucket_that_is_away(aws: boto3.Session) -> None:
    set_aside = DeadLetters(rejects_bucket(aws.client("s3"), "nowhere"), AT)
    with pytest.raises(UserError, match="nowhere does not exist"), set_aside.patiently():
        numbers(set_aside)


def test_marks_are_read_where_they_are_new(aws: boto3.Session) -> None:
    def mark(name: str, *event_ids: str) -> None:
        put(aws, f"redriven/rejects/{name}.json", msgspec.json.encode(Mark(event_ids)))

    mark("before the run", "0")
    let_objects_grow_old(timedelta(hours=1))
    s3 = aws.client("s3")
    redriven = Redriven(rejects_bucket(s3, "rejects"), datetime.now(UTC) - timedelta(minutes=15))
    assert redriven.new_event_ids() is None
    mark("a", "1")
    assert redriven.new_event_ids() == frozenset("1")
    mark("a", "1", "2")
    mark("b", "3")
    with objects_read(s3) as read:
        assert redriven.new_event_ids() == frozenset("123")
    mark("c", "4")
    with objects_read(s3) as read_then:
        assert redriven.new_event_ids() == frozenset("1234")
        assert redriven.new_event_ids() is None
    assert read == ["redriven/rejects/a.json", "redriven/rejects/b.json"]
    assert read_then == ["redriven/rejects/c.json"]
