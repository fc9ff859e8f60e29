"""What the function does with its role, and what Lambda does with it for the function."""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from infra.common import local_function
from tests.terraform.moto_account import MotoAccount
from tests.waiting import eventually

_REFUSALS: Final = {"AccessDenied", "AccessDeniedException", "403", "UnauthorizedOperation"}


class Refused(Exception):
    """A call that the role's policy does not allow."""


class Surroundings(NamedTuple):
    """What was deployed around the function, as far as its calls need it."""

    account: MotoAccount
    settings: Mapping[str, str]
    events_stream: str
    log_group: str
    rejects_bucket: str
    key: str
    former_key: str
    failure_queue: str | None


def run_all(world: Surroundings, keys: Mapping[str, str]) -> None:
    """Every call that the deployment makes with the role. Raises `Refused` at the first refusal."""
    for call in (lambda_logs, lambda_traces, services_use_key, lambda_sets_aside):
        _refusing(call, world, keys)
    records = _refusing(lambda_reads, world, keys)
    function_scores(world, keys, records)


def allowed(call: Callable[[], object]) -> bool:
    """Whether the call is let through; whatever else is wrong with it is not looked at."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"] not in _REFUSALS
    return True


def lambda_reads(world: Surroundings, keys: Mapping[str, str]) -> list[dict[str, Any]]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html"""
    kinesis = world.account.client("kinesis", keys)
    stream = {"StreamARN": world.events_stream}
    kinesis.describe_stream(**stream)
    kinesis.describe_stream_summary(**stream)
    (shard,) = kinesis.list_shards(**stream)["Shards"]
    iterator = kinesis.get_shard_iterator(
        **stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator, **stream)["Records"]
    return [_as_event(shard["ShardId"], record) for record in records]


def lambda_logs(world: Surroundings, keys: Mapping[str, str]) -> None:
    logs = world.account.client("logs", keys)
    place = {"logGroupName": world.log_group, "logStreamName": f"stream-{time.monotonic_ns()}"}
    logs.create_log_stream(**place)
    now = int(time.time() * 1000)
    logs.put_log_events(**place, logEvents=[{"timestamp": now, "message": "a line"}])


def lambda_traces(world: Surroundings, keys: Mapping[str, str]) -> None:
    if world.settings["TRACING"] != "true":
        return
    xray = world.account.client("xray", keys)
    segment = {"name": "batch", "id": "70de5b6f19ff9a0a", "start_time": 1.0, "end_time": 2.0}
    segment["trace_id"] = "1-581cf771-a006649127e371903a2de979"
    xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(segment)])
    xray.put_telemetry_records(
        TelemetryRecords=[{"Timestamp": 1, "SegmentsReceivedCount": 1}], Hostname="function"
    )


def services_use_key(world: Surroundings, keys: Mapping[str, str]) -> None:
    """As S3 and Kinesis do with the rights of whoever writes to them and reads from them."""
    kms = world.account.client("kms", keys)
    sealed = kms.generate_data_key(KeyId=world.key, KeySpec="AES_256")["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=sealed, KeyId=world.key)
    before = world.account.administrator("kms").generate_data_key(
        KeyId=world.former_key, KeySpec="AES_256"
    )
    kms.decrypt(CiphertextBlob=before["CiphertextBlob"], KeyId=world.former_key)


def lambda_sets_aside(world: Surroundings, keys: Mapping[str, str]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"""
    if world.failure_queue:
        queue = world.account.client("sqs", keys)
        queue.send_message(QueueUrl=world.failure_queue, MessageBody="{}")
        return
    s3 = world.account.client("s3", keys)
    s3.list_objects_v2(Bucket=world.rejects_bucket)
    key = "aws/lambda/mapping/shardId-000000000000/2026/01/31/failure"
    s3.put_object(Bucket=world.rejects_bucket, Key=key, Body=b"{}")


def function_scores(
    world: Surroundings, keys: Mapping[str, str], records: list[dict[str, Any]]
) -> None:
    """The function's own code, by AWS's runtime client, with the settings it was deployed with.

    The batch comes again until its shadow, a process that takes its time to start, has written too.
    """
    shadow_stream = world.settings.get("SHADOW_STREAM_NAME")
    shadowed = _count(world, shadow_stream)
    others = {"TRACING": "false"}
    environment = {**world.account.environment, **world.settings, **keys, **others}
    event, log = json.dumps({"Records": records}).encode(), ""
    with local_function.started(environment) as scoring:

        def settled() -> bool:
            nonlocal log
            if json.loads(scoring.answer(event))["batchItemFailures"]:
                raise Refused("the function could not do its batch")
            log += scoring.take_log()
            return _count(world, shadow_stream) != shadowed or f"to {shadow_stream} failed" in log

        if shadow_stream is None:
            settled()
        elif not eventually(settled) or _count(world, shadow_stream) == shadowed:
            raise Refused("the shadow wrote nothing")


def _refusing[T](
    call: Callable[[Surroundings, Mapping[str, str]], T],
    world: Surroundings,
    keys: Mapping[str, str],
) -> T:
    try:
        return call(world, keys)
    except ClientError as error:
        if error.response["Error"]["Code"] in _REFUSALS:
            raise Refused(f"{call.__name__}: {error}") from error
        raise


def _count(world: Surroundings, stream: str | None) -> int | None:
    """How many records lie in a stream, asked by someone who may."""
    if stream is None:
        return None
    return sum(1 for _ in records_in(world.account, stream))


def records_in(account: MotoAccount, stream: str) -> Iterator[dict[str, Any]]:
    kinesis = account.administrator("kinesis")
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        yield from kinesis.get_records(ShardIterator=iterator)["Records"]


def _as_event(shard: str, record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "kinesis": {
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
            "data": base64.b64encode(record["Data"]).decode(),
        },
    }
