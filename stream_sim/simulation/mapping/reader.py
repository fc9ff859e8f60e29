"""A shard's reader: polls with GetRecords, and hands records to lanes by partition key."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from stream_sim.simulation.mapping import fan_out
from stream_sim.simulation.mapping.lane import Batches, Lane
from stream_sim.simulation.world.stream import (
    Entry,
    IteratorExpired,
    Shard,
    ShardIterator,
    StoredRecord,
    Stream,
)

POLL_SECONDS: Final = 1.0
"""A shard is polled once a second while nothing new is found."""


class Shards(Batches, Protocol):
    """What a reader and its lanes need of their mapping."""

    generation: int

    def read_behind(self, shard_id: str, /) -> int: ...

    def finished(self, shard_id: str, /) -> None: ...


class ShardReader:
    """Reads one shard and hands its records to lanes by partition key."""

    def __init__(self, mapping: Shards, stream: Stream, shard: Shard) -> None:
        self._mapping = mapping
        self._stream = stream
        self._shard = shard
        self._last_read = mapping.read_behind(shard.shard_id)
        self._generation = mapping.generation
        self.lanes = [
            Lane(self, mapping, number) for number in range(mapping.settings.parallelization_factor)
        ]
        self.at_end = False
        mapping.clock.spawn(self._run)
        for lane in self.lanes:
            mapping.clock.spawn(lane.run)

    @property
    def shard_id(self) -> str:
        return self._shard.shard_id

    @property
    def stale(self) -> bool:
        """Whether another reader has taken over."""
        return self._generation != self._mapping.generation

    def lane_ended(self) -> None:
        if all(lane.ended for lane in self.lanes) and not self.stale:
            self._mapping.finished(self.shard_id)

    def _run(self) -> None:
        """Read until the shard ends, pausing while a lane is full."""
        iterator: ShardIterator | None = self._stream.behind(self._shard, self._last_read)
        while iterator is not None and not self.stale:
            try:
                found, iterator = self._stream.read(iterator, self._mapping.settings.batch_size)
            except IteratorExpired:
                iterator = self._stream.behind(self._shard, self._last_read)
                continue
            for record in found:
                self._last_read = record.sequence_number
                for part in self._parts(record):
                    self.lanes[self._lane_of(part)].take(part)
            if iterator is not None:
                self._wait(iterator, nothing_found=not found)
        self.at_end = True
        for lane in self.lanes:
            lane.wake()

    def _parts(self, record: StoredRecord) -> Sequence[StoredRecord]:
        """What a record is turned into before the function gets it."""
        settings = self._mapping.settings
        if not settings.enhanced_fan_out:
            return [record]
        return fan_out.taken_apart(record, self._shard, settings.reading)

    def _lane_of(self, record: StoredRecord) -> int:
        """By partition key alone, even if an explicit hash key placed the record."""
        if len(self.lanes) == 1:
            return 0
        return Entry(b"", record.partition_key).hash_key % len(self.lanes)

    def _wait(self, iterator: ShardIterator, *, nothing_found: bool) -> None:
        clock = self._mapping.clock
        if full := next((lane for lane in self.lanes if lane.full), None):
            clock.wait(full.on_room, None)
        elif nothing_found:
            clock.wait(partial(self._on_put, iterator), None)
            clock.sleep(POLL_SECONDS)

    def _on_put(self, iterator: ShardIterator, call: Callable[[], None]) -> None:
        """Call when there may be something to read; at once if there already is."""
        if iterator.position < len(self._shard.records) or self._shard.closed:
            self._mapping.clock.at(self._mapping.clock.now, call)
        else:
            self._stream.on_put(call)
