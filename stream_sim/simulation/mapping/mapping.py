"""An event source mapping: where each shard is read from, and what is checkpointed.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stream_sim.simulation.mapping import documents
from stream_sim.simulation.mapping.reader import ShardReader
from stream_sim.simulation.schedule import MappingSettings
from stream_sim.simulation.world.clock import Clock
from stream_sim.simulation.world.lambda_service import Result
from stream_sim.simulation.world.stream import Position, Shard, ShardIterator, StoredRecord, Stream


class EventSourceMapping:
    """Reads a stream and invokes a function with batches of its records.

    `invoke` takes an event in Lambda's format, `put_failure` the key and body of an on-failure
    document. `settled` is called for each finished piece of a batch with its shard, the batch's
    record count and the seconds it spent at the head of its lane; `checkpointed` with each lane's
    new checkpoint.
    """

    def __init__(
        self,
        clock: Clock,
        stream: Stream,
        settings: MappingSettings,
        invoke: Callable[[Mapping[str, Any]], Result],
        put_failure: Callable[[str, bytes], None],
        settled: Callable[[str, int, float], None] = lambda *_: None,
        checkpointed: Callable[[tuple[str, int], Position], None] = lambda *_: None,
    ) -> None:
        self.clock = clock
        self.settings = settings
        self.invoke = invoke
        self.settled = settled
        self.generation = 0
        self.checkpoints: dict[tuple[str, int], Position] = {}
        """The last record done, by shard and lane."""
        self._stream = stream
        self._put_failure = put_failure
        self._checkpointed = checkpointed
        self._failures = 0
        self._started = False
        self._starts: dict[str, int] = {}
        self._finished: set[str] = set()
        self._read: set[str] = set()

    def start(self, at_timestamp: float) -> None:
        """Start reading at the starting position; `at_timestamp` is seconds since the epoch."""
        for shard in self._stream.shards:
            before = shard.records[: self._starting_iterator(shard, at_timestamp).position]
            self._starts[shard.shard_id] = before[-1].sequence_number if before else 0
        self._started = True
        self._go_on()

    def restart(self) -> None:
        """Read again what was read but not checkpointed, though it may still be in flight."""
        if self._started:
            self._go_on()

    def read_behind(self, shard_id: str) -> int:
        """The sequence number after which to read a shard: all up to it is done, or not asked for.

        The last record done is read again, as not everything in it need be done.
        """
        start = self._starts.get(shard_id, 0)
        lanes = range(self.settings.parallelization_factor)
        done = (self.checkpoints.get((shard_id, lane)) for lane in lanes)
        return min(start if reached is None else reached[0] - 1 for reached in done)

    @property
    def oldest_seconds(self) -> float:
        """The age beyond which a record is discarded: expired records are never tried."""
        age, retention = self.settings.record_age_seconds, self._stream.retention_seconds
        return min(age, retention) if age >= 0 else retention

    def checkpoint(self, lane: tuple[str, int], reached: Position) -> None:
        """Everything up to that record is done."""
        self.checkpoints[lane] = reached
        self._checkpointed(lane, reached)

    def discard(
        self, shard_id: str, records: Sequence[StoredRecord], condition: str, attempts: int
    ) -> None:
        """Send records to the on-failure destination."""
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

    def _starting_iterator(self, shard: Shard, at_timestamp: float) -> ShardIterator:
        """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html"""
        match self.settings.starting_position:
            case "LATEST":
                return self._stream.from_latest(shard)
            case "AT_TIMESTAMP":
                return self._stream.from_timestamp(shard, at_timestamp)
        return self._stream.from_horizon(shard)

    def _go_on(self) -> None:
        self.generation += 1
        self._read = set(self._finished)
        self._read_shards()

    def _read_shards(self) -> None:
        """Read each shard whose parents have been read to their end.

        https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
        """
        for shard in self._stream.shards:
            if shard.shard_id not in self._read and not any(map(self._unfinished, shard.parents)):
                self._read.add(shard.shard_id)
                ShardReader(self, self._stream, shard)

    def _unfinished(self, shard_id: str) -> bool:
        return shard_id not in self._finished

    def finished(self, shard_id: str) -> None:
        """A closed shard is fully processed, so its children can be read."""
        self._finished.add(shard_id)
        self._read_shards()
