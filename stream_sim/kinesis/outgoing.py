"""What a stream is given, and within which limits; what a producer is given: a record to put, and
what the ledger has to say of the rides in it."""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from ride_scoring.errors import RejectReason
from ride_scoring.streams.put_records import aggregated
from ride_scoring.streams.records import OutputRecord

# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
RECORD_BYTES: Final = 1024 * 1024
"""Data and partition key of one record: PutRecords refuses a whole call for a larger one."""
_UNIT_BYTES: Final = 1024


class Outgoing(Protocol):
    """What a stream is given: bytes, and the key that says which shard they go to."""

    @property
    def partition_key(self) -> str: ...
    @property
    def data(self) -> bytes: ...


def weight(record: Outgoing) -> float:
    """For how many records of up to 1 KiB it counts: a shard takes 1,000 records or 1 MiB a
    second."""
    return max(1.0, len(record.data) / _UNIT_BYTES)


class SentRide(msgspec.Struct, frozen=True, gc=False):
    """True minutes; the fault that it has, why it must be rejected, and of which earlier ride of
    the part it is a copy, each None for most."""

    minutes: float
    fault: str | None = None
    reason: RejectReason | None = None
    copy_of: int | None = None


class OutgoingRecord(msgspec.Struct, frozen=True):
    """A Kinesis record that is due so many seconds after the run began.

    Its rides are numbered from `first` on. `packed` is how many are in an aggregated one, and 0
    where it is the event of one ride. One that is `alone` is not packed with others.
    """

    due: float
    first: int
    partition_key: str
    data: bytes
    rides: tuple[SentRide, ...]
    packed: int = 0
    alone: bool = False


def packed(records: Sequence[OutgoingRecord]) -> Iterator[OutgoingRecord]:
    """The records in ones of the Kinesis Producer Library's of up to 50 kB, due with the last of
    them. They must be of one ride each, whose numbers follow each other."""
    first = 0
    for one in aggregated([OutputRecord(item.data, item.partition_key) for item in records]):
        inside = records[first : first + one.holds]
        first += one.holds
        yield OutgoingRecord(
            due=inside[-1].due,
            first=inside[0].first,
            partition_key=one.partition_key,
            data=one.data,
            rides=tuple(ride for record in inside for ride in record.rides),
            packed=len(inside),
            alone=True,
        )
