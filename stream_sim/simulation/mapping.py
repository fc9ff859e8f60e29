"""An event source mapping: which shards are read from where, and what is checkpointed.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from stream_sim.simulation import documents
from stream_sim.simulation.clock import Clock
from stream_sim.simulation.lambda_service import Result
from stream_sim.simulation.lane import Lane
from stream_sim.simulation.schedule import MappingSettings
from stream_sim.simulation.stream import Shard, StoredRecord, Stream

POLL_SECONDS: Final = 1.0
"""A shard is looked at once a second where nothing new was found."""
_FINISHED: Final = -1


class EventSourceMapping:
    """Reads a stream and invokes a function with batches of its records.

    `invoke` takes an event as Lambda writes it. `put_failure` is given key and body of what is set
    aside. `settled` is told, of each piece of a batch that came to an end, how many records the
    batch had and how many seconds it held up what is behind it.
    """

    def __init__(
        self,
        clock: Clock,
        stream: Stream,
        settings: MappingSettings,
        invoke: Callable[[Mapping[str, Any]], Result],
        put_failure: Callable[[str, bytes], None],
        settled: Callable[[str, int, float], None] = lambda *_: None,
    ) -> None:
        self.clock = clock
        self.settings = settings
        self.invoke = invoke
        self.settled = settled
        self.generation = 0
        self.checkpoints: dict[tuple[str, int], int] = {}
        """The last sequence number that is done, of each shard and lane."""
        self._stream = stream
        self._put_failure = put_failure
        self._failures = 0
        self._starts: dict[str, int] = {}
        self._read: set[str] = set()

    def start(self, at_timestamp: float) -> None:
        """Begins to read, at the starting position; `at_timestamp` is seconds since the epoch."""
        for shard in self._stream.shards:
            self._starts[shard.shard_id] = self._starting_position(shard, at_timestamp)
        self._go_on()

    def restart(self) -> None:
        """What was read and not checkpointed is read again, while it may still be worked on."""
        if self._starts:
            self._go_on()

    def discard(
        self, shard_id: str, records: Sequence[StoredRecord], condition: str, attempts: int
    ) -> None:
        """Sets records aside."""
        self._failures += 1
        self._put_failure(
            *documents.failure(
                shard_id,
                records,
                condition=condition,
                attempts=attempts,
                number=self._failures,
                now=self.clock.now,
            )
        )

    def _starting_position(self, shard: Shard, at_timestamp: float) -> int:
        """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html"""
        match self.settings.starting_position:
            case "LATEST":
                return len(shard.records)
            case "AT_TIMESTAMP":
                return sum(1 for record in shard.records if record.arrived_at < at_timestamp)
        return 0

    def _go_on(self) -> None:
        self.generation += 1
        self._read = set()
        self._read_shards()

    def _read_shards(self) -> None:
        """Reads each shard whose parents were read to their end.

        https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
        """
        for shard in self._stream.shards:
            if shard.shard_id not in self._read and not any(map(self._unfinished, shard.parents)):
                self._read.add(shard.shard_id)
                if self._starts.setdefault(shard.shard_id, 0) != _FINISHED:
                    ShardReader(self, self._stream, shard, self._starts[shard.shard_id])

    def _unfinished(self, shard_id: str) -> bool:
        return self._starts.get(shard_id, 0) != _FINISHED

    def finished(self, shard_id: str) -> None:
        """A closed shard is done to its end, so its children can be read."""
        self._starts[shard_id] = _FINISHED
        self._read_shards()


class ShardReader:
    """Reads one shard and hands its records to lanes, by their partition keys."""

    def __init__(
        self, mapping: EventSourceMapping, stream: Stream, shard: Shard, position: int
    ) -> None:
        self._mapping = mapping
        self._stream = stream
        self._shard = shard
        self._position = position
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
        """Whether another reader took over."""
        return self._generation != self._mapping.generation

    def lane_ended(self) -> None:
        if all(lane.ended for lane in self.lanes) and not self.stale:
            self._mapping.finished(self.shard_id)

    def _run(self) -> None:
        clock = self._mapping.clock
        while not self.stale:
            found, self._position = self._stream.read(
                self._shard, self._position, self._mapping.settings.batch_size
            )
            for record in found:
                self.lanes[record.hash_key % len(self.lanes)].take(record)
            if not found and self._shard.closed and self._position == len(self._shard.records):
                self.at_end = True
                for lane in self.lanes:
                    lane.wake()
                return
            if full := next((lane for lane in self.lanes if lane.full), None):
                clock.wait(full.on_room, None)
            elif not found:
                clock.wait(self._on_put, None)
                clock.sleep(POLL_SECONDS)

    def _on_put(self, call: Callable[[], None]) -> None:
        """Calls when there may be something to read, at once where there is already."""
        if self._position < len(self._shard.records) or self._shard.closed:
            self._mapping.clock.at(self._mapping.clock.now, call)
        else:
            self._stream.on_put(call)
