"""What Lambda writes about records: the function's event and the on-failure document."""

import binascii
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from stream_sim.simulation.world.stream import StoredRecord

STREAM_ARN: Final = "arn:aws:kinesis:us-east-1:123456789012:stream/ride-events"
FUNCTION_ARN: Final = "arn:aws:lambda:us-east-1:123456789012:function:ride-scoring"
MAPPING_ID: Final = "00000000-0000-0000-0000-000000000001"
RETRIES_SPENT: Final = "RetryAttemptsExhausted"
TOO_OLD: Final = "RecordAgeExceeded"
TOO_LARGE: Final = "PayloadTooLarge"
"""Our own name: AWS says where such a record goes, but not what the condition is called."""

_AROUND_A_RECORD_BYTES: Final = 500
"""Upper bound of what the event says about a record besides its data."""


def payload_bytes(record: StoredRecord) -> int:
    """How many bytes of an event one record takes."""
    return math.ceil(len(record.data) / 3) * 4 + len(record.partition_key) + _AROUND_A_RECORD_BYTES


def event(shard_id: str, records: Sequence[StoredRecord]) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html"""
    return {"Records": [_record(shard_id, record) for record in records]}


def window(start: float, seconds: float) -> dict[str, str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html"""
    return {"start": _time(start), "end": _time(start + seconds)}


def failure(
    shard_id: str,
    records: Sequence[StoredRecord],
    *,
    condition: str,
    attempts: int,
    number: int,
    now: float,
) -> tuple[str, bytes]:
    """S3 key and body of a batch's on-failure document.

    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    document = {
        "requestContext": {
            "requestId": f"failure-{number}",
            "functionArn": FUNCTION_ARN,
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": _time(now),
        "KinesisBatchInfo": _batch(shard_id, records),
        # AWS writes it as a string.
        "payload": msgspec.json.encode(event(shard_id, records)).decode(),
    }
    at = datetime.fromtimestamp(now, UTC)
    key = f"aws/lambda/{MAPPING_ID}/{shard_id}/{at:%Y/%m/%d}/{at:%Y-%m-%dT%H.%M.%S}-{number}"
    return key, msgspec.json.encode(document)


def _batch(shard_id: str, records: Sequence[StoredRecord]) -> Mapping[str, object]:
    return {
        "shardId": shard_id,
        "startSequenceNumber": str(records[0].said_number),
        "endSequenceNumber": str(records[-1].said_number),
        "approximateArrivalOfFirstRecord": _time(records[0].arrived_at),
        "approximateArrivalOfLastRecord": _time(records[-1].arrived_at),
        "batchSize": len(records),
        "streamArn": STREAM_ARN,
    }


def _record(shard_id: str, record: StoredRecord) -> dict[str, Any]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record.partition_key,
            "sequenceNumber": str(record.said_number),
            "data": binascii.b2a_base64(record.data, newline=False).decode(),
            "approximateArrivalTimestamp": record.arrived_at,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{record.said_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/ride-scoring",
        "awsRegion": "us-east-1",
        "eventSourceARN": STREAM_ARN,
    }


def _time(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{at.isoformat(timespec='milliseconds')}Z"
