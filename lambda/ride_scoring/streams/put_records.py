"""Builds the bodies of PutRecords calls, within the limits of one call.

Bodies are assembled from bytes: a client that validates and encodes each record again costs more
than the rest of the function.
"""

import hashlib
from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ride_scoring.streams import kpl
from ride_scoring.streams.records import OutputRecord

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
MAX_RECORDS_A_CALL: Final = 500
MAX_BYTES_A_CALL: Final = 5 * 1024 * 1024
AGGREGATE_BYTES: Final = 50_000
"""Of an aggregated record, its partition key included: two payload units, whether the 25 KB of
https://aws.amazon.com/kinesis/data-streams/pricing/ are 25,000 or 25,600 bytes."""

_encode = msgspec.json.Encoder().encode


def body(stream_name: str, records: Sequence[OutputRecord]) -> bytes:
    """The JSON of one PutRecords call, put together in one copy."""
    parts = [b'{"StreamName":', _encode(stream_name), b',"Records":[']
    for record in records:
        parts += (b'{"Data":"', b2a_base64(record.data, newline=False))
        if record.explicit_hash_key is not None:
            parts += (
                b'","ExplicitHashKey":',
                _encode(record.explicit_hash_key),
                b',"PartitionKey":',
            )
        else:
            parts.append(b'","PartitionKey":')
        parts += (_encode(record.partition_key), b"},")
    parts[-1] = b"}]}"
    return b"".join(parts)


def calls(records: Sequence[OutputRecord]) -> Iterator[Sequence[OutputRecord]]:
    """The records in chunks that each fit into one PutRecords call."""
    start, size = 0, 0
    for index, record in enumerate(records):
        record_bytes = len(record.data) + 4 * len(record.partition_key)
        if index - start == MAX_RECORDS_A_CALL or size + record_bytes > MAX_BYTES_A_CALL:
            yield records[start:index]
            start, size = index, 0
        size += record_bytes
    if start < len(records):
        yield records[start:]


def aggregated(records: Sequence[OutputRecord]) -> list[OutputRecord]:
    """The records packed into ones of the Kinesis Producer Library's, in order.

    One of several has up to `AGGREGATE_BYTES`; a record that is larger by itself is packed alone.
    """
    packed: list[OutputRecord] = []
    start, size = 0, kpl.AROUND_BYTES
    for index, record in enumerate(records):
        key_bytes = len(record.partition_key.encode())
        record_bytes = len(record.data) + key_bytes + kpl.AROUND_A_RECORD_BYTES
        if index > start and size + record_bytes > AGGREGATE_BYTES:
            packed.append(_aggregate(records[start:index]))
            start, size = index, kpl.AROUND_BYTES
        if index == start:
            size += key_bytes  # the first record's key is that of the whole
        size += record_bytes
    if start < len(records):
        packed.append(_aggregate(records[start:]))
    return packed


def _aggregate(records: Sequence[OutputRecord]) -> OutputRecord:
    key = records[0].partition_key
    # Shared by all: readers may drop user records whose own hash belongs to another shard.
    hash_key = str(int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()))
    data = kpl.pack([(record.partition_key, record.data) for record in records], hash_key)
    return OutputRecord(data, key, hash_key, len(records))
