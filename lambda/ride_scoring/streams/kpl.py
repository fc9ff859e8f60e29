"""The Kinesis Producer Library's aggregated records: one Kinesis record in, its user records out,
and the other way round. Pure.

A magic number, a protobuf message (two tables of keys, and records that point into them), and the
MD5 of the message. Source:
https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

import msgspec

MAGIC: Final = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES: Final = 16
_MAX_KEY_CHARACTERS: Final = 256
"""Kinesis takes no longer partition keys, so no producer can have packed one."""

AROUND_BYTES: Final = 4 + 16 + 42
"""What `pack` adds to all records, at most: magic number, MD5, and a hash key of 39 digits."""
AROUND_A_RECORD_BYTES: Final = 17
"""What it adds to one record's key and data, at most, where the record is below 2 MiB."""

# Field numbers and wire types as they stand before a value: number << 3 | type.
_PARTITION_KEY: Final = b"\x0a"
_EXPLICIT_HASH_KEY: Final = b"\x12"
_RECORD: Final = b"\x1a"
_PARTITION_KEY_INDEX: Final = b"\x08"
_FIRST_EXPLICIT_HASH_KEY: Final = b"\x10\x00"
_DATA: Final = b"\x1a"


_SCALARS: Final = frozenset({"bytes", "uint64"})
_SCHEMA: Final = (
    ("Tag", "required bytes key", "optional bytes value"),
    (
        "Record",
        "required uint64 partition_key_index",
        "optional uint64 explicit_hash_key_index",
        "required bytes data",
        "repeated Tag tags",
    ),
    (
        "AggregatedRecord",
        "repeated bytes partition_key_table",
        "repeated bytes explicit_hash_key_table",
        "repeated Record records",
    ),
)
"""The messages, their fields numbered from 1. Strings are read as bytes, which is the same on the
wire: so one place meets a key that is not UTF-8."""


class UserRecord(msgspec.Struct, frozen=True, gc=False):
    """What a producer put, before it was packed with others."""

    partition_key: str
    data: bytes
    explicit_hash_key: str | None = None


class _Record(Protocol):
    partition_key_index: int
    explicit_hash_key_index: int
    data: bytes

    def HasField(self, name: str, /) -> bool: ...  # noqa: N802 - protobuf's name


class _Aggregate(Protocol):
    partition_key_table: Sequence[bytes]
    explicit_hash_key_table: Sequence[bytes]
    records: Sequence[_Record]

    def IsInitialized(self) -> bool: ...  # noqa: N802 - protobuf's name


class DamagedAggregate(Exception):
    """Says in a few words what is wrong with an aggregated record, and nothing of its payload."""


def is_aggregated(data: bytes) -> bool:
    """Whether the data say that they are an aggregated record; they may still be damaged."""
    return data.startswith(MAGIC)


def user_records(data: bytes) -> list[UserRecord]:
    """The user records of an aggregated record, in order, at least one.

    Raises `DamagedAggregate`.
    """
    aggregate = _parsed(_checked_body(data))
    try:
        partition_keys = [key.decode() for key in aggregate.partition_key_table]
        if any(len(key) > _MAX_KEY_CHARACTERS for key in partition_keys):
            raise DamagedAggregate("a partition key has more than 256 characters")
        hash_keys = [key.decode() for key in aggregate.explicit_hash_key_table]
        return [
            UserRecord(
                partition_keys[record.partition_key_index],
                record.data,
                hash_keys[record.explicit_hash_key_index]
                if record.HasField("explicit_hash_key_index")
                else None,
            )
            for record in aggregate.records
        ]
    except UnicodeDecodeError:
        raise DamagedAggregate("a key is not UTF-8") from None
    except IndexError:
        raise DamagedAggregate("a record's key index is out of range") from None


def pack(records: Sequence[tuple[str, bytes]], explicit_hash_key: str) -> bytes:
    """An aggregated record of pairs of partition key and data, at least one, in order.

    All of them point to one explicit hash key: readers drop a user record whose hash lies outside
    the shard that they read it from.

    Written by hand: as fast as protobuf's runtime, whose import a cold start then does not pay for.
    """
    indexes: dict[str, int] = {}
    packed = [
        part
        for partition_key, data in records
        for part in (_head(indexes.setdefault(partition_key, len(indexes)), len(data)), data)
    ]
    body = b"".join([*_keys(indexes, explicit_hash_key), *packed])
    return b"".join((MAGIC, body, _md5(body)))


@functools.lru_cache(maxsize=8192)
def _head(partition_key_index: int, data_bytes: int) -> bytes:
    """All of a record before its data. Aggregates are alike, so most heads were made before."""
    index, length = _varint(partition_key_index), _varint(data_bytes)
    fields = (_PARTITION_KEY_INDEX, index, _FIRST_EXPLICIT_HASH_KEY, _DATA, length)
    inside = b"".join(fields)
    return _RECORD + _varint(len(inside) + data_bytes) + inside


def _keys(partition_keys: Iterable[str], explicit_hash_key: str) -> Iterator[bytes]:
    for partition_key in partition_keys:
        key = partition_key.encode()
        yield _PARTITION_KEY + _varint(len(key)) + key
    key = explicit_hash_key.encode()
    yield _EXPLICIT_HASH_KEY + _varint(len(key)) + key


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _checked_body(data: bytes) -> bytes:
    if not is_aggregated(data):
        raise DamagedAggregate("the magic number is missing")
    if len(data) < len(MAGIC) + _DIGEST_BYTES:
        raise DamagedAggregate("it is shorter than a magic number and an MD5")
    body = data[len(MAGIC) : -_DIGEST_BYTES]
    if _md5(body) != data[-_DIGEST_BYTES:]:
        raise DamagedAggregate("MD5 checksum mismatch")
    return body


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _parsed(body: bytes) -> _Aggregate:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - only aggregates pay for it

    try:
        aggregate = _parser()(body)
    except DecodeError:
        raise DamagedAggregate("its protobuf message is broken") from None
    if not aggregate.IsInitialized():
        raise DamagedAggregate("a record lacks a field that is required")
    if not aggregate.records:
        raise DamagedAggregate("it holds no user record")
    return aggregate


@functools.cache
def _parser() -> Callable[[bytes], _Aggregate]:
    from google.protobuf import (  # noqa: PLC0415 - it takes 20 ms
        descriptor_pb2,
        descriptor_pool,
        message_factory,
    )

    file = descriptor_pb2.FileDescriptorProto(name="kpl.proto", package="kpl")
    described = descriptor_pb2.FieldDescriptorProto
    for message_name, *fields in _SCHEMA:
        message = file.message_type.add(name=message_name)
        for number, (label, kind, name) in enumerate(map(str.split, fields), start=1):
            field = message.field.add(name=name, number=number)
            field.label = described.Label.Value(f"LABEL_{label.upper()}")
            if kind in _SCALARS:
                field.type = described.Type.Value(f"TYPE_{kind.upper()}")
            else:
                field.type_name = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    aggregate = message_factory.GetMessageClass(pool.FindMessageTypeByName("kpl.AggregatedRecord"))
    parser: Callable[[bytes], _Aggregate] = aggregate.FromString
    return parser
