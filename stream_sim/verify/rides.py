"""Builds a 16-byte row per ride from a ledger, in a memory-mapped file.

The file has no name and vanishes with the process. The operating system can reclaim its pages, so
tens of millions of rides need no more memory than a few.
"""

import mmap
import os
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.common.console import UserError
from ride_scoring.errors import RejectReason
from stream_sim.ledger import Entry, Intended, PutRecord, Taken, TakenRecord, Unanswered

REASONS: Final[tuple[RejectReason, ...]] = get_args(RejectReason)
_REASON_CODES: Final = {reason: code for code, reason in enumerate(REASONS, start=1)}

# What is known of a ride: bits of `state`.
TAKEN: Final = 1
UNANSWERED: Final = 2
PREDICTED: Final = 4
REJECTED: Final = 8
FAILED: Final = 16
REDRIVEN: Final = 32
ANSWERED_AS_ANOTHER: Final = 64
NO_DURATION: Final = 128

ROW: Final = np.dtype(
    [
        ("minutes", "<f4"),  # true duration
        ("event", "<u4"),  # CRC of the event id it was accepted as, 0 if unknown
        ("copy", "<u4"),  # 1 + the number of the next ride with the same id, 0 if there is none
        ("reason", "u1"),  # required reject reason: 1 + index into REASONS, 0 if none
        ("came", "u1"),  # actual reject reason, likewise
        ("fault", "u1"),  # the fault it was sent with: 1 + index into `faults`
        ("state", "u1"),
    ]
)
_ROW: Final = struct.Struct("<fIIBBBB")
_FIRST_ROWS: Final = 65_536
_BLOCK_ROWS: Final = 1 << 18
"""How many rows are scanned at once, and written before their pages are released."""


class Row(msgspec.Struct):
    """One ride's row; the fields are those of `ROW`."""

    minutes: float
    event: int
    copy: int
    reason: int
    came: int
    fault: int
    state: int

    @property
    def has_outcome(self) -> bool:
        """Whether no further outcome is due: a failed ride that was redriven is open again."""
        if self.state & (PREDICTED | REJECTED):
            return True
        return bool(self.state & FAILED) and not self.state & REDRIVEN


def event_code(event_id: str) -> int:
    """A row's code for an event id: enough to distinguish a few events of one ride."""
    return zlib.crc32(event_id.encode()) or 1


def reason_code(reason: RejectReason) -> int:
    return _REASON_CODES[reason]


class Rides:
    """The rides of one part of a run, by number from 0."""

    def __init__(self, folder: Path) -> None:
        """Raises `UserError` if the folder's disk has no room for the rows."""
        self.count = 0
        self.faults: list[str] = []
        self.first_sent_at = float("inf")
        self._folder = folder
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `__exit__`
        self._mapped = self._map(_FIRST_ROWS)
        self._written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._mapped.close()
        self._file.close()

    def add(self, entry: Entry) -> None:
        """Take a ledger entry. Raises `UserError` if it is invalid."""
        match entry:
            case Intended():
                self._require(entry.first == self.count, f"ride {entry.first} is out of order")
                self._intend(entry)
            case Taken(sent_at, records):
                self.first_sent_at = min(self.first_sent_at, sent_at)
                self._require_intended(records)
                numbers, codes = _taken(records)
                rows = self._view()
                rows["event"][numbers] = codes
                rows["state"][numbers] |= TAKEN
            case Unanswered(records):
                self._require_intended(records)
                self._view()["state"][_numbers(records)] |= UNANSWERED

    def row(self, number: int) -> Row:
        return Row(*_ROW.unpack_from(self._mapped, number * _ROW.size))

    def write(self, number: int, row: Row) -> None:
        values = (row.minutes, row.event, row.copy, row.reason, row.came, row.fault, row.state)
        _ROW.pack_into(self._mapped, number * _ROW.size, *values)
        self._give_back(1)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.void]]]:
        """Copies of all rows in blocks of dtype `ROW`, each with the number of its first row."""
        for first in range(0, self.count, _BLOCK_ROWS):
            yield first, self._view()[first : min(self.count, first + _BLOCK_ROWS)].copy()
            self._give_back(_BLOCK_ROWS)

    def taken_count(self) -> int:
        return sum(int(np.count_nonzero(rows["state"] & TAKEN)) for _, rows in self.blocks())

    def _intend(self, entry: Intended) -> None:
        end = entry.first + len(entry.minutes)
        rows_mapped = len(self._mapped) // ROW.itemsize
        if end > rows_mapped:
            self._mapped.close()
            self._mapped = self._map(max(end, 2 * rows_mapped))
        self.count = end
        for number in (*entry.reasons, *entry.faults, *entry.copies):
            self._require(entry.first <= number < end, f"ride {number} is on another ride's line")
        for number, original in entry.copies.items():
            self._require(0 <= original < number, f"ride {number} copies a later one, {original}")
        rows = self._view()
        rows["minutes"][entry.first : end] = entry.minutes
        for number, reason in entry.reasons.items():
            rows["reason"][number] = reason_code(reason)
        for number, fault in entry.faults.items():
            rows["fault"][number] = self._fault_code(fault)
        for number, original in entry.copies.items():
            rows["copy"][self._last_copy(original)] = number + 1
        self._give_back(len(entry.minutes))

    def _require_intended(self, records: Iterable[TakenRecord | PutRecord]) -> None:
        for record in records:
            last = record.first + max(record.packed, 1)
            known = record.packed >= 0 <= record.first and last <= self.count
            self._require(known, f"ride {record.first} was put before it was intended")

    def _require(self, holds: bool, complaint: str) -> None:  # noqa: FBT001 - what must be so
        if not holds:
            raise UserError(f"a ledger in {self._folder} is damaged: {complaint}")

    def _give_back(self, written: int) -> None:
        """Release pages from time to time: they stay in the file, and are loaded on demand."""
        self._written += written
        if self._written >= _BLOCK_ROWS:
            self._mapped.madvise(mmap.MADV_DONTNEED)
            self._written = 0

    def _last_copy(self, number: int) -> int:
        while following := self.row(number).copy:
            number = following - 1
        return number

    def _fault_code(self, fault: str) -> int:
        if fault not in self.faults:
            self.faults.append(fault)
        return 1 + self.faults.index(fault)

    def _view(self) -> NDArray[np.void]:
        # Never held for long: a map that arrays refer to cannot be replaced by a larger one.
        return np.frombuffer(self._mapped, dtype=ROW)

    def _map(self, rows: int) -> mmap.mmap:
        size = rows * ROW.itemsize
        try:
            # With a sparse file, a full disk would kill the process without a message.
            os.posix_fallocate(self._file.fileno(), 0, size)
        except OSError as error:
            raise UserError(
                f"{self._folder} has no room for {size:,} bytes to count {rows:,} rides in "
                f"({error.strerror}): free some space"
            ) from None
        return mmap.mmap(self._file.fileno(), size)


def _taken(records: list[TakenRecord]) -> tuple[list[int], list[int]]:
    """The numbers of the rides in the records, and the event code of each."""
    codes: list[int] = []
    for record in records:
        if record.packed:
            before = zlib.crc32(f"{record.event_id}:".encode())
            codes += (zlib.crc32(b"%d" % index, before) or 1 for index in range(record.packed))
        else:
            codes.append(event_code(record.event_id))
    return _numbers(records), codes


def _numbers(records: list[TakenRecord] | list[PutRecord]) -> list[int]:
    return [
        number
        for record in records
        for number in range(record.first, record.first + (record.packed or 1))
    ]
