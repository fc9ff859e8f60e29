"""Sends records to a Kinesis stream when due, a few calls in flight at once; each is in the ledger
before it is made, in ride order, and after it is answered."""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from typing import Final

from infra.common.console import UserError
from ride_scoring.streams.put_records import MAX_BYTES_A_CALL, MAX_RECORDS_A_CALL
from stream_sim.kinesis.outgoing import OutgoingRecord, packed, weight
from stream_sim.kinesis.puts import Puts
from stream_sim.ledger import (
    Entry,
    Intended,
    Ledger,
    PutRecord,
    Taken,
    TakenRecord,
    Unanswered,
)
from stream_sim.send.pace import Pace

CALLS_AT_ONCE: Final = 8
"""500 records each, so a round trip of 40 ms allows 100,000 records a second."""
_CALL_SECONDS: Final = 0.1
"""How much of the schedule one call covers: it goes when its last record is due."""

Call = Sequence[OutgoingRecord]


class Producer:
    """Sends the records of one part of a run."""

    def __init__(
        self,
        puts: Puts,
        pace: Pace,
        ledger: Ledger,
        stopping: threading.Event,
        sent: Callable[[int], None],
        executor: Executor | None = None,
    ) -> None:
        """Calls `sent` with each number of rides the stream accepted, once in the ledger. Sets
        `stopping` on ending, so that whatever waits on it stops waiting."""
        self._puts = puts
        self._pace = pace
        self._ledger = ledger
        self._stopping = stopping
        self._sent = sent
        self._executor = executor or ThreadPoolExecutor(CALLS_AT_ONCE)
        self._lock = threading.Condition()
        self._putting = 0
        self._torn: UserError | None = None

    def send(self, records: Iterable[OutgoingRecord], *, aggregate: bool) -> None:
        """Send what is due, when it is due, until the end, a failure or an interrupt: then wait for
        the calls in flight. Raises `UserError` and boto3's errors."""
        under_way: set[Future[None]] = set()
        with self._executor:
            try:
                for call in calls(records, aggregate=aggregate):
                    self._pace.wait(call[-1].due)
                    under_way = _with_room(under_way)
                    self._note(_intended(call))
                    under_way.add(self._executor.submit(self._send, call))
                _raise_failures(under_way)
            finally:
                self._stop()

    def _stop(self) -> None:
        """Let no more calls start, and wait for those in flight. The executor may not know all of
        them: an interrupt can come while it starts a thread."""
        with self._lock:
            self._stopping.set()
            self._lock.wait_for(lambda: self._putting == 0)

    def _send(self, call: Call) -> None:
        self._pace.admit(_amount(call))
        with self._lock:
            if self._stopping.is_set():
                return
            self._putting += 1
        try:
            self._put(call)
        finally:
            with self._lock:
                self._putting -= 1
                self._lock.notify_all()

    def _put(self, call: Call) -> None:
        for answer in self._puts.put(call):
            taken = [record for record, _ in answer.taken]
            self._pace.answered(_amount(taken), throttled=answer.throttled)
            if taken:
                self._note(Taken(answer.sent_at, [_taken(*pair) for pair in answer.taken]))
                self._sent(sum(len(record.rides) for record in taken))
            if not answer.answered:
                self._note(Unanswered([PutRecord(r.first, r.packed) for r in answer.refused]))
            if answer.refused:
                self._pace.admit(_amount(answer.refused))
            if self._stopping.is_set():
                return

    def _note(self, entry: Entry) -> None:
        """Nothing is written after a line that could not be written completely."""
        with self._lock:
            if self._torn:
                raise self._torn
            try:
                self._ledger.write(entry)
            except UserError as error:
                self._torn = error
                raise


def calls(records: Iterable[OutgoingRecord], *, aggregate: bool) -> Iterator[Call]:
    """The records, grouped into PutRecords calls; `aggregate` packs them first."""
    for run in _runs(records):
        ready = list(_aggregated(run)) if aggregate else run
        for first in range(0, len(ready), MAX_RECORDS_A_CALL):
            yield ready[first : first + MAX_RECORDS_A_CALL]


def _runs(records: Iterable[OutgoingRecord]) -> Iterator[list[OutgoingRecord]]:
    """The records of a tenth of a second, or as many bytes as a call holds."""
    run: list[OutgoingRecord] = []
    size, ends = 0, 0.0
    for record in records:
        # Four bytes per character of the key also cover what packing adds to a ride.
        record_bytes = len(record.data) + 4 * len(record.partition_key)
        if run and (record.due > ends or size + record_bytes > MAX_BYTES_A_CALL):
            yield run
            run, size = [], 0
        if not run:
            ends = record.due + _CALL_SECONDS
        run.append(record)
        size += record_bytes
    if run:
        yield run


def _aggregated(run: Iterable[OutgoingRecord]) -> Iterator[OutgoingRecord]:
    for alone, together in itertools.groupby(run, lambda record: record.alone):
        records = list(together)
        yield from records if alone else packed(records)


def _with_room(under_way: set[Future[None]]) -> set[Future[None]]:
    """The calls left in flight once there is room for one more."""
    seconds = None if len(under_way) == CALLS_AT_ONCE else 0
    done, left = wait(under_way, seconds, FIRST_COMPLETED)
    _raise_failures(done)
    return left


def _raise_failures(ended: Iterable[Future[None]]) -> None:
    for future in ended:
        future.result()


def _amount(records: Iterable[OutgoingRecord]) -> float:
    return sum(map(weight, records))


def _taken(record: OutgoingRecord, event_id: str) -> TakenRecord:
    return TakenRecord(record.first, record.packed, event_id)


def _intended(call: Call) -> Intended:
    rides = [ride for record in call for ride in record.rides]
    numbered = [*enumerate(rides, start=call[0].first)]
    return Intended(
        first=call[0].first,
        minutes=[ride.minutes for ride in rides],
        faults={number: ride.fault for number, ride in numbered if ride.fault},
        reasons={number: ride.reason for number, ride in numbered if ride.reason},
        copies={n: ride.copy_of for n, ride in numbered if ride.copy_of is not None},
    )
