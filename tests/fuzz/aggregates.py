"""Aggregated records in; a `Finding` where they come apart otherwise than by AWS's own library."""

import base64
import hashlib
from typing import Any, Final

from aws_kinesis_agg import deaggregator
from google.protobuf.message import DecodeError

from ride_scoring.streams import kpl
from ride_scoring.streams.kpl import DamagedAggregate, UserRecord
from tests.fuzz.finding import Finding, require

_LONGEST_KEY: Final = 256
BODY: Final = slice(len(kpl.MAGIC), -16)
"""Of an aggregated record: between what says that it is one, and the MD5."""


def unpacked(data: bytes) -> None:
    """An aggregated record, or what says that it is one."""
    try:
        ours = kpl.user_records(data)
    except DamagedAggregate as damage:
        _require_damaged(data, str(damage))
        return
    require(ours, "an aggregated record came to nothing")
    theirs = _by_aws(data)
    require(len(ours) == len(theirs), f"{ours} are {theirs} by AWS's library")
    for our, their in zip(ours, theirs, strict=True):
        # Theirs gives the first hash key to a record that names none.
        same = our if our.explicit_hash_key is not None else _without_hash_key(our, their)
        require(same == their, f"{our} is {their} by AWS's library")


def packed(data: bytes) -> None:
    """Pairs of key and data, parted by zero bytes: they come apart as they were packed."""
    first, *parts = data.split(b"\0")
    texts = [part.decode(errors="replace")[:_LONGEST_KEY] for part in parts[::2]]
    pairs = list(zip(texts, parts[1::2], strict=False))
    if not pairs:
        return
    hash_key = str(int.from_bytes(first[:16]))
    whole = kpl.pack(pairs, hash_key)
    expected = [UserRecord(key, data, hash_key) for key, data in pairs]
    require(kpl.user_records(whole) == expected, f"{pairs} are others once they are packed")
    require(_by_aws(whole) == expected, f"{pairs} are others by AWS's library")


def sealed(body: bytes) -> bytes:
    """An aggregated record with that body, which need not be a message."""
    return kpl.MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


def _without_hash_key(our: UserRecord, their: UserRecord) -> UserRecord:
    return UserRecord(our.partition_key, our.data, their.explicit_hash_key)


def _by_aws(data: bytes) -> list[UserRecord]:
    record = {"sequenceNumber": "1", "approximateArrivalTimestamp": 0, "kinesisSchemaVersion": "1"}
    event = {"kinesis": record | {"partitionKey": "a", "data": base64.b64encode(data)}}
    found = [item["kinesis"] for item in deaggregator.deaggregate_records([event])]
    return [
        UserRecord(
            item["partitionKey"], base64.b64decode(item["data"]), item.get("explicitHashKey")
        )
        for item in found
    ]


def _require_damaged(data: bytes, damage: str) -> None:
    """AWS's library has no use for it either, or reads what Kinesis would not have taken."""
    if not data.startswith(kpl.MAGIC) or data != sealed(data[BODY]):
        return
    message = deaggregator.messages_pb2.AggregatedRecord()
    try:
        message.ParseFromString(data[BODY])
    except DecodeError:
        return
    if message.records and message.IsInitialized() and not _is_refused_on_purpose(message):
        raise Finding(f"{data!r} is whole by AWS's library, and damaged here: {damage}")


def _is_refused_on_purpose(message: Any) -> bool:
    """Keys that are no text or too long, and records that point outside of the tables of keys."""
    keys, hash_keys = message.partition_key_table, message.explicit_hash_key_table
    return (
        any(isinstance(key, bytes) for key in (*keys, *hash_keys))
        or any(len(key) > _LONGEST_KEY for key in keys)
        or any(
            record.partition_key_index >= len(keys)
            or (
                record.HasField("explicit_hash_key_index")
                and record.explicit_hash_key_index >= len(hash_keys)
            )
            for record in message.records
        )
    )
