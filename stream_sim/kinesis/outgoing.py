"""What is put into a stream, and its limits; what a producer gets: a record to put, and the
ledger's data on the rides in it."""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from ride_scoring.errors import RejectReason
from ride_scoring.streams.put_records import aggregated
from ride_scoring.streams.records import OutputRecord

# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
RECORD_BYTES: Final = 1024 * 1024
"""Data and partition key of one record: PutRecords rejects the whole call if one is larger."""
_UNIT_BYTES: Final = 1024


class Outgoing(Protocol):
    """A record to put: its data, and the partition key that determines its shard."""

    @property
    def partition_key(self) -> str: ...
    @property
    def data(self) -> bytes: ...


def weight(record: Outgoing) -> float:
    """How many records of up to 1 KiB it counts as: a shard accepts 1,000 records or 1 MiB a
    second."""
    return max(1.0, len(record.data) / _UNIT_BYTES)


class SentRide(msgspec.Struct, frozen=True, gc=False):
    """True minutes; its fault, the required reject reason, and the earlier ride of the part it is a
    copy of, each None for most."""

    minutes: float
    fault: str | None = None
    reason: RejectReason | None = None
    copy_of: int | None = None


class OutgoingRecord(msgspec.Struct, frozen=True):
    """A Kinesis record due that many seconds after the run began.

    Its rides are numbered from `first`. `packed` is how many rides an aggregated record holds, 0 if
    it is a single ride's event. An `alone` record is not aggregated with others.
    """

    due: float
    first: int
    partition_key: str
    data: bytes
    rides: tuple[SentRide, ...]
    packed: int = 0
    alone: bool = False


def packed(records: Sequence[OutgoingRecord]) -> Iterator[OutgoingRecord]:
    """The records packed into Kinesis Producer Library aggregates of up to 50 kB, each due with its
    last record. Each must hold one ride, with consecutive numbers."""
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
