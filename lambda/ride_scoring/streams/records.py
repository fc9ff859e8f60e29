"""Records of a stream, the events in them, and what is rejected."""

from datetime import datetime

import msgspec

from ride_scoring.errors import RejectReason


class KinesisRecord(msgspec.Struct, frozen=True, gc=False):
    """One record as Lambda hands it over, its data still in base64.

    `event_id` is `<shard id>:<sequence number>`; `arrived_at` is seconds since the epoch.
    """

    event_id: str
    sequence_number: str
    partition_key: str
    arrived_at: float
    data_base64: str


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """The bytes of one event: a whole Kinesis record, or one of many that a record aggregates.

    `position` is that of the Kinesis record in its batch. `event_id` is the record's, and of one of
    many `<shard id>:<sequence number>:<index>`. No two in a batch share one.
    """

    position: int
    event_id: str
    partition_key: str
    arrived_at: float
    data: bytes


class Reject(msgspec.Struct, frozen=True):
    """A record that can never be scored, with all that is needed to send it again."""

    event_id: str
    reason: RejectReason
    detail: str
    data_base64: str
    partition_key: str
    arrived_at: datetime
    rejected_at: datetime


class OutputRecord(msgspec.Struct, frozen=True, gc=False):
    """One record for a stream, holding `holds` predictions.

    An `explicit_hash_key` overrides the partition key in choosing the shard.
    """

    data: bytes
    partition_key: str
    explicit_hash_key: str | None = None
    holds: int = 1


class Put(msgspec.Struct, frozen=True):
    """The result of writing records: how many, counted from the first, were written (`done`);
    how many were retried; how many refusals were throttling; and why the rest were not written.
    """

    done: int
    retried: int = 0
    throttled: int = 0
    failure: str | None = None
