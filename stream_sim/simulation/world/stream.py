"""An in-memory Kinesis stream: shards with hash key ranges, splits, merges and limits.

https://docs.aws.amazon.com/streams/latest/dev/key-concepts.html
"""

import bisect
import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from stream_sim.simulation.world.clock import Clock

HASH_KEYS: Final = 2**128
# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
WRITE_RECORDS_A_SECOND: Final = 1_000
WRITE_BYTES_A_SECOND: Final = 1024 * 1024
READ_BYTES_A_SECOND: Final = 2 * 1024 * 1024
READ_RECORDS: Final = 10_000
READ_BYTES: Final = 10 * 1024 * 1024
ITERATOR_SECONDS: Final = 300.0
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
MOST_RECORDS_A_CALL: Final = 500
MOST_BYTES_A_CALL: Final = 10 * 1024 * 1024
USUAL_RECORD_BYTES: Final = 1024 * 1024
LARGE_RECORD_BYTES: Final = 10 * 1024 * 1024
"""For streams configured for large records: a shard takes one at once, and makes up for it.
https://docs.aws.amazon.com/streams/latest/dev/large-records.html"""
NUMBERS_APART: Final = 1_000
"""Distance between sequence numbers, unless set otherwise: AWS's have gaps, too."""

THROTTLED: Final = "ProvisionedThroughputExceededException"
_FIRST_SEQUENCE_NUMBER: Final = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575
"""As long as AWS's."""


class Entry(msgspec.Struct, frozen=True):
    """A record to put into a stream."""

    data: bytes
    partition_key: str
    explicit_hash_key: int | None = None

    @property
    def hash_key(self) -> int:
        if self.explicit_hash_key is not None:
            return self.explicit_hash_key
        digest = hashlib.md5(self.partition_key.encode(), usedforsecurity=False).digest()
        return int.from_bytes(digest)

    @property
    def size_bytes(self) -> int:
        return len(self.data) + len(self.partition_key.encode())


Position = tuple[int, int]
"""A record's position in its shard: sequence number, and index of the user record in it."""
NOWHERE: Final[Position] = (0, 0)
"""Before the first record of a shard."""


class StoredRecord(msgspec.Struct, frozen=True):
    """A record in a shard, or one of the user records enhanced fan-out makes of it, with index
    `place`. `arrived_at` is seconds since the epoch."""

    sequence_number: int
    partition_key: str
    data: bytes
    arrived_at: float
    place: int = 0
    shares_number: bool = True
    """Whether all user records share the record's sequence number, or each has its own."""

    @property
    def position(self) -> Position:
        return self.sequence_number, self.place

    @property
    def said_number(self) -> int:
        """The sequence number shown in an event."""
        return self.sequence_number if self.shares_number else self.sequence_number + self.place

    @property
    def size_bytes(self) -> int:
        return len(self.data) + len(self.partition_key.encode())


class ShardIterator(msgspec.Struct, frozen=True):
    """A position in a shard, valid for five minutes."""

    shard: "Shard"
    position: int
    made_at: float


class IteratorExpired(Exception):
    """An iterator was used more than five minutes after it was issued."""


class Taken(msgspec.Struct, frozen=True):
    """Where an entry was stored."""

    shard_id: str
    sequence_number: int


class Rate:
    """A token bucket that gains `a_second` tokens a second and holds up to `most`."""

    def __init__(self, clock: Clock, a_second: float, most: float | None = None) -> None:
        self._clock = clock
        self._a_second = a_second
        self._most = most or a_second
        self._left = self._most
        self._at = clock.now

    def allows(self, amount: float) -> bool:
        gained = (self._clock.now - self._at) * self._a_second
        self._left, self._at = min(self._most, self._left + gained), self._clock.now
        return self._left >= amount

    def take(self, amount: float) -> None:
        self._left -= amount


class Shard:
    """A hash key range from `first` to `last`, and the records in it.

    After a split or merge it is closed: it accepts no more records, and those in it are still read.
    """

    def __init__(
        self,
        clock: Clock,
        number: int,
        first: int,
        last: int,
        parents: Sequence[str],
        record_bytes: int,
    ) -> None:
        self.shard_id = f"shardId-{number:012}"
        self.first, self.last = first, last
        self.parents = tuple(parents)
        self.records: list[StoredRecord] = []
        self.closed = False
        self.trimmed = 0
        self.records_rate = Rate(clock, WRITE_RECORDS_A_SECOND)
        self.bytes_rate = Rate(clock, WRITE_BYTES_A_SECOND, max(WRITE_BYTES_A_SECOND, record_bytes))
        self.read_rate = Rate(clock, READ_BYTES_A_SECOND)


class Stream:
    """A stream that accepts records of up to `record_bytes`.

    With `own_numbers`, each shard numbers its own records, so records of two shards can share a
    number; AWS only guarantees that numbers increase within a shard.
    """

    def __init__(
        self,
        clock: Clock,
        shards: int,
        *,
        retention_seconds: float,
        own_numbers: bool = False,
        numbers_apart: int = NUMBERS_APART,
        record_bytes: int = USUAL_RECORD_BYTES,
    ) -> None:
        self._clock = clock
        self._record_bytes = record_bytes
        self.retention_seconds = retention_seconds
        self._own_numbers = own_numbers
        self._numbers_apart = numbers_apart
        self._next_number = _FIRST_SEQUENCE_NUMBER
        self._readers: list[Callable[[], None]] = []
        self.shards: list[Shard] = []
        for index in range(shards):
            first, behind = HASH_KEYS * index // shards, HASH_KEYS * (index + 1) // shards
            self._open(first, behind - 1, ())

    def put(self, entries: Sequence[Entry]) -> list[Taken | str]:
        """Where each entry was stored, or the error code it was refused with.

        Raises `ValueError` for a call that AWS would refuse as a whole.
        """
        self.require_call(entries)
        codes = [self._put(entry) for entry in entries]
        self._wake_readers()
        return codes

    def from_horizon(self, shard: Shard) -> ShardIterator:
        """TRIM_HORIZON: from the oldest record that has not expired.

        https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html
        """
        return self._iterator(shard, 0)

    def from_latest(self, shard: Shard) -> ShardIterator:
        """LATEST: after everything that is there."""
        return self._iterator(shard, len(shard.records))

    def from_timestamp(self, shard: Shard, at: float) -> ShardIterator:
        """AT_TIMESTAMP: from the first record that arrived at that time or later."""
        found = bisect.bisect_left(shard.records, at, key=lambda record: record.arrived_at)
        return self._iterator(shard, found)

    def behind(self, shard: Shard, sequence_number: int) -> ShardIterator:
        """AFTER_SEQUENCE_NUMBER: from the record after that one."""
        found = bisect.bisect_right(
            shard.records, sequence_number, key=lambda record: record.sequence_number
        )
        return self._iterator(shard, found)

    def read(
        self, iterator: ShardIterator, limit: int
    ) -> tuple[Sequence[StoredRecord], ShardIterator | None]:
        """What GetRecords returns, and the next iterator: None at the end of a closed shard.

        It may return more than a second's limit, and then returns nothing until that is made up
        for. Expired records are skipped. Raises `IteratorExpired`.
        https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
        """
        if self._clock.now - iterator.made_at > ITERATOR_SECONDS:
            raise IteratorExpired
        shard = iterator.shard
        self._trim(shard)
        if not shard.read_rate.allows(1):
            return [], self._iterator(shard, iterator.position)
        first = max(iterator.position, shard.trimmed)
        found: list[StoredRecord] = []
        size = 0
        for record in shard.records[first : first + min(limit, READ_RECORDS)]:
            size += record.size_bytes
            if found and size > READ_BYTES:
                break
            found.append(record)
        shard.read_rate.take(sum(record.size_bytes for record in found))
        ended = shard.closed and first + len(found) == len(shard.records)
        return found, None if ended else self._iterator(shard, first + len(found))

    def on_put(self, call: Callable[[], None]) -> None:
        """Call once, when records are put or the shards change."""
        self._readers.append(call)

    def split(self, shard: Shard) -> None:
        """https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SplitShard.html"""
        middle = (shard.first + shard.last) // 2
        self._close(shard)
        self._open(shard.first, middle, (shard.shard_id,))
        self._open(middle + 1, shard.last, (shard.shard_id,))
        self._wake_readers()

    def merge(self, shard: Shard, neighbour: Shard) -> None:
        """https://docs.aws.amazon.com/kinesis/latest/APIReference/API_MergeShards.html"""
        self._close(shard)
        self._close(neighbour)
        self._open(shard.first, neighbour.last, (shard.shard_id, neighbour.shard_id))
        self._wake_readers()

    def open_shards(self) -> list[Shard]:
        """In hash key order."""
        return sorted((s for s in self.shards if not s.closed), key=lambda shard: shard.first)

    def _iterator(self, shard: Shard, position: int) -> ShardIterator:
        return ShardIterator(shard, position, self._clock.now)

    def _put(self, entry: Entry) -> Taken | str:
        hash_key = entry.hash_key
        shard = next(s for s in self.shards if not s.closed and s.first <= hash_key <= s.last)
        if not (shard.records_rate.allows(1) and shard.bytes_rate.allows(entry.size_bytes)):
            return THROTTLED
        shard.records_rate.take(1)
        shard.bytes_rate.take(entry.size_bytes)
        number = self._next_number
        if self._own_numbers:
            number = (len(shard.records) + 1) * self._numbers_apart
        self._next_number += self._numbers_apart
        shard.records.append(StoredRecord(number, entry.partition_key, entry.data, self._clock.now))
        return Taken(shard.shard_id, number)

    def require_call(self, entries: Sequence[Entry]) -> None:
        """Raises `ValueError` for a call that AWS would refuse as a whole."""
        sizes = [entry.size_bytes for entry in entries]
        if not 1 <= len(sizes) <= MOST_RECORDS_A_CALL or sum(sizes) > MOST_BYTES_A_CALL:
            raise ValueError(f"{len(sizes)} records with {sum(sizes)} bytes in a call")
        if max(sizes) > self._record_bytes:
            raise ValueError(f"a record with {max(sizes)} bytes")

    def _trim(self, shard: Shard) -> None:
        horizon = self._clock.now - self.retention_seconds
        while shard.trimmed < len(shard.records):
            if shard.records[shard.trimmed].arrived_at >= horizon:
                return
            shard.trimmed += 1

    def _open(self, first: int, last: int, parents: Sequence[str]) -> None:
        number = len(self.shards)
        self.shards.append(Shard(self._clock, number, first, last, parents, self._record_bytes))

    def _close(self, shard: Shard) -> None:
        shard.closed = True

    def _wake_readers(self) -> None:
        readers, self._readers = self._readers, []
        for wake in readers:
            self._clock.at(self._clock.now, wake)
