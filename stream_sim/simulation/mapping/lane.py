"""One lane of a shard: batches in order, each retried until it is done, bisected or discarded.

A shard has as many lanes as its mapping's parallelization factor.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from stream_sim.simulation.mapping import documents
from stream_sim.simulation.mapping.windows import Windows
from stream_sim.simulation.schedule import MappingSettings
from stream_sim.simulation.world.clock import Clock
from stream_sim.simulation.world.lambda_service import Answered, NotInvoked, Result
from stream_sim.simulation.world.stream import NOWHERE, Position, StoredRecord

MOST_PAYLOAD_BYTES: Final = 6 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
_FIRST_WAIT_SECONDS: Final = 0.1
_NOT_INVOKED_SECONDS: Final = 1.0


class Piece(msgspec.Struct, frozen=True):
    """A batch, or what is left of it, and how many retries it has used."""

    records: Sequence[StoredRecord]
    attempts: int = 0
    failed: int = 0
    """Failures so far, whether or not they count as retries: each adds to the backoff."""


class Batches(Protocol):
    """What a lane needs of its mapping."""

    clock: Clock
    settings: MappingSettings
    invoke: Callable[[Mapping[str, Any]], Result]
    settled: Callable[[str, int, float], None]
    checkpoints: dict[tuple[str, int], Position]

    @property
    def oldest_seconds(self) -> float: ...

    def checkpoint(self, lane: tuple[str, int], reached: Position, /) -> None: ...

    def discard(
        self, shard_id: str, records: Sequence[StoredRecord], condition: str, attempts: int, /
    ) -> None: ...


class Reading(Protocol):
    """What a lane needs of its shard's reader."""

    at_end: bool

    @property
    def shard_id(self) -> str: ...

    @property
    def stale(self) -> bool: ...

    def lane_ended(self) -> None: ...


class Lane:
    """`take` feeds it records; `run` is its task."""

    def __init__(self, reader: Reading, mapping: Batches, number: int) -> None:
        self.ended = False
        self._reader = reader
        self._mapping = mapping
        self._clock = mapping.clock
        self._key = (reader.shard_id, number)
        self._buffer: deque[StoredRecord] = deque()
        self._filled_at = 0.0
        self._at_head_since = 0.0
        self._batched = 0
        self._waiting: list[Callable[[], None]] = []
        self._for_room: list[Callable[[], None]] = []
        settings = mapping.settings
        self._window = Windows(
            settings.tumbling_window_seconds, settings.reading.window_wait_seconds, reader.shard_id
        )

    @property
    def full(self) -> bool:
        return len(self._buffer) >= self._mapping.settings.batch_size

    def take(self, record: StoredRecord) -> None:
        """Queue a record of the shard; one already done before a restart is skipped."""
        if record.position <= self._mapping.checkpoints.get(self._key, NOWHERE):
            return
        if not self._buffer:
            self._filled_at = self._clock.now
        self._buffer.append(record)
        self.wake()

    def wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            self._clock.at(self._clock.now, call)

    def on_room(self, call: Callable[[], None]) -> None:
        self._for_room.append(call)

    def run(self) -> None:
        while not self._reader.stale:
            at_end = self._reader.at_end and not self._buffer
            if self._window.over(self._clock.now, self._buffer, at_end=at_end):
                self._final()
            elif self._ready():
                self._at_head_since = max(self._at_head_since, self._filled_at)
                self._work_on(self._batch())
            elif at_end:
                self.ended = True
                self._reader.lane_ended()
                return
            else:
                self._clock.wait(self._waiting.append, self._until_ready())

    def _ready(self) -> bool:
        """https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html"""
        if not self._buffer:
            return False
        return self.full or self._reader.at_end or self._until_ready() == 0

    def _until_ready(self) -> float | None:
        if not self._buffer:
            return self._window.until_over(self._clock.now)
        if sum(map(documents.payload_bytes, self._buffer)) >= MOST_PAYLOAD_BYTES:
            return 0
        window_ends = self._filled_at + self._mapping.settings.batching_window_seconds
        return max(0.0, window_ends - self._clock.now)

    def _batch(self) -> list[StoredRecord]:
        """As many records as fit in one event, all of one tumbling window."""
        batch: list[StoredRecord] = []
        size = 0
        while self._buffer and len(batch) < self._mapping.settings.batch_size:
            size += documents.payload_bytes(self._buffer[0])
            another = batch and not self._window.same(batch[0], self._buffer[0])
            if batch and (size > MOST_PAYLOAD_BYTES or another):
                break
            batch.append(self._buffer.popleft())
        self._filled_at = self._clock.now
        waiting, self._for_room = self._for_room, []
        for call in waiting:
            self._clock.at(self._clock.now, call)
        return batch

    def _work_on(self, batch: Sequence[StoredRecord]) -> None:
        self._batched = len(batch)
        pieces = deque([Piece(batch)])
        while pieces and not self._reader.stale:
            piece = self._without_too_old(pieces.popleft())
            if piece.records and _too_large(piece.records[0]):
                self._discard(piece, piece.records, documents.TOO_LARGE)
            elif piece.records:
                pieces.extendleft(reversed(self._tried(piece)))

    def _tried(self, piece: Piece) -> list[Piece]:
        """Try a piece, and return the pieces that remain."""
        settings = self._mapping.settings
        if 0 <= settings.retry_attempts < piece.attempts:
            self._discard(piece, piece.records, documents.RETRIES_SPENT)
            return []
        self._wait_before(piece)
        if self._reader.stale:
            return []
        result = self._invoke(piece)
        if self._reader.stale:  # its answer came too late to be checkpointed
            return []
        if isinstance(result, NotInvoked):
            # It is retried until the record is too old, regardless of the retry limit:
            # https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
            self._clock.sleep(_NOT_INVOKED_SECONDS)
            return [piece]
        done = self._done(result, piece.records)
        if done is None:
            return self._after_error(piece)
        self._checkpoint(piece.records[:done])
        return self._after_report(piece, done) if done < len(piece.records) else []

    def _after_error(self, piece: Piece) -> list[Piece]:
        """Bisecting uses up no retry."""
        if self._mapping.settings.bisect and len(piece.records) > 1:
            return _halves(piece)
        return [Piece(piece.records, piece.attempts + 1, piece.failed + 1)]

    def _after_report(self, piece: Piece, done: int) -> list[Piece]:
        """With bisecting on, the batch is split at the reported record, and the rest is retried."""
        reading = self._mapping.settings.reading
        rest = piece.records[done:]
        if done == 0:
            if reading.halved_at_no_progress:
                return self._after_error(piece)
            return [Piece(rest, piece.attempts + 1, piece.failed + 1)]
        counts = reading.progress_is_retried and not self._mapping.settings.bisect
        return [Piece(rest, piece.attempts + counts, piece.failed + 1)]

    def _without_too_old(self, piece: Piece) -> Piece:
        """https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html"""
        expired = [record for record in piece.records if record.arrived_at <= self._oldest]
        if not expired:
            return piece
        self._discard(piece, expired, documents.TOO_OLD)
        return Piece(piece.records[len(expired) :], piece.attempts, piece.failed)

    @property
    def _oldest(self) -> float:
        """Arrival time of a record that has just become too old."""
        return self._clock.now - self._mapping.oldest_seconds

    def _discard(self, piece: Piece, records: Sequence[StoredRecord], condition: str) -> None:
        self._mapping.discard(self._reader.shard_id, records, condition, piece.attempts)
        self._checkpoint(records)

    def _checkpoint(self, records: Sequence[StoredRecord]) -> None:
        if records:
            self._mapping.checkpoint(self._key, records[-1].position)
            held_up = self._clock.now - self._at_head_since
            self._mapping.settled(self._key[0], self._batched, held_up)
            self._at_head_since = self._clock.now

    def _wait_before(self, piece: Piece) -> None:
        if piece.failed:
            longest = self._mapping.settings.reading.longest_wait_seconds
            self._clock.sleep(min(longest, _FIRST_WAIT_SECONDS * 2.0 ** min(piece.failed, 20)))

    def _invoke(self, piece: Piece) -> Result:
        event = documents.event(self._reader.shard_id, piece.records)
        return self._called(event | self._window.said(piece.records[0]))

    def _final(self) -> None:
        """Make a window's final invocation, bounded by retry limit and record age; then drop its
        state.

        https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
        """
        attempts = 0
        while not self._reader.stale:
            result = self._called({"Records": [], **self._window.final()})
            spent = 0 <= self._mapping.settings.retry_attempts <= attempts
            if self._window.keeps(result) or spent or self._window.ended_by(self._oldest):
                break
            attempts += 1
            self._clock.sleep(_NOT_INVOKED_SECONDS)
        self._window.close()

    def _called(self, event: Mapping[str, Any]) -> Result:
        """The invocation keeps running if the lane is abandoned meanwhile."""
        results: list[Result] = []
        task = self._clock.spawn(lambda: results.append(self._mapping.invoke(event)))
        self._clock.wait(task.on_end, None)
        return results[0]

    def _done(self, result: Result, records: Sequence[StoredRecord]) -> int | None:
        """How many records, from the first on, are done; None if the whole batch failed.

        https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
        """
        if not isinstance(result, Answered) or not self._window.keeps(result):
            return None
        # If several share a number, all from the first of them on are retried.
        places = {str(record.said_number): at for at, record in reversed([*enumerate(records)])}
        failures = (result.payload or {}).get("batchItemFailures") or []
        if not self._mapping.settings.reports:
            failures = []
        reported = [_place(failure, places) for failure in failures]
        if None in reported:
            return None
        return min((at for at in reported if at is not None), default=len(records))


def _too_large(record: StoredRecord) -> bool:
    """Whether the record fits in no event: then it comes alone, and is discarded untried.

    https://docs.aws.amazon.com/streams/latest/dev/large-records.html
    """
    return documents.payload_bytes(record) > MOST_PAYLOAD_BYTES


def _place(failure: object, places: Mapping[str, int]) -> int | None:
    """Index of the reported record; None if it names no record of the batch."""
    named = failure.get("itemIdentifier") if isinstance(failure, dict) else None
    return places.get(named) if isinstance(named, str) else None


def _halves(piece: Piece) -> list[Piece]:
    middle = len(piece.records) // 2
    return [
        Piece(records, piece.attempts, piece.failed + 1)
        for records in (piece.records[:middle], piece.records[middle:])
    ]
