"""The process that is measured: `python -m tests.benchmarks.accounting <rides>`.

A ledger and the predictions of its rides are made up and reconciled, without a stream. It imports
nothing that `verify` does not have to pay for.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from stream_sim import ledger
from stream_sim.ledger import Entry, Intended, Taken, TakenRecord
from stream_sim.verify import explained, journal
from stream_sim.verify.reconciliation import Reconciliation, Seen
from stream_sim.verify.rides import Rides, event_code
from stream_sim.verify.timeline import Timeline
from tests import runs
from tests.benchmarks.worker import peak_kib

_A_CALL: Final = 5_000
_PACKED: Final = 250
_A_SECOND: Final = 10_000
_SEQUENCE_NUMBER: Final = 49581544954143914480256700934210366840104395343224897586


class Measured(msgspec.Struct, frozen=True):
    """CPU microseconds a ride, of reading the ledger and of taking in what came out."""

    ledger_us: float
    outcomes_us: float
    peak_kib: int


def _account(count: int, folder: Path) -> Measured:
    with ledger.Ledger(folder / "rides", runs.a_run()) as book:
        for entry in _entries(count):
            book.write(entry)
    started = time.process_time()
    with Rides(folder) as rides, journal.Journal(folder, "predictions") as kept:
        for entry in ledger.entries(folder / "rides", 0):
            rides.add(entry)
        read = time.process_time()
        timeline = Timeline(runs.BEGAN.timestamp())
        reconciliation = Reconciliation(runs.RUN, {0: rides}, timeline)
        list(kept.pages())
        making = 0.0
        for first in range(0, count, _A_CALL):
            began = time.process_time()
            page = _page(first)
            making += time.process_time() - began
            kept.write(journal.JournalPage("shard", str(first), page))
            reconciliation.predicted(page)
        account = explained.account(reconciliation, {0: runs.a_run()})
        done = time.process_time() - making
    if not account.clean or account.rides.predicted != count:
        sys.exit(f"{count} rides, {account.rides.predicted} predicted")
    return Measured((read - started) / count * 1e6, (done - read) / count * 1e6, peak_kib())


def _entries(count: int) -> Iterator[Entry]:
    for first in range(0, count, _A_CALL):
        yield Intended(first, [12.5] * _A_CALL)
        records = range(first, first + _A_CALL, _PACKED)
        at = runs.BEGAN.timestamp() + first / _A_SECOND
        yield Taken(at, [TakenRecord(number, _PACKED, _event_id(number)) for number in records])


def _page(first: int) -> list[Seen]:
    at = runs.BEGAN.timestamp() + first / _A_SECOND
    return [
        Seen(0, number, event_code(f"{_event_id(number)}:{number % _PACKED}"), 13.0, "m", at, 100.0)
        for number in range(first, first + _A_CALL)
    ]


def _event_id(number: int) -> str:
    return f"shardId-000000000000:{_SEQUENCE_NUMBER + number - number % _PACKED}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        measured = _account(int(sys.argv[1]), Path(temporary))
    sys.stdout.buffer.write(msgspec.json.encode(measured))
