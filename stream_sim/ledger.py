"""What was sent, on disk before it counts as sent: a killed simulator's run can be reconciled.

A run's folder holds one file per sending process, `ledger-<part>.ndjson`: a line that describes the
run, and then, for each call, one line before it (what is about to be sent) and one after it (what
the stream accepted). Rides are numbered in sending order, from 0 in each part, and their ids derive
from that.
"""

import fcntl
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final, Self

import msgspec

from infra.common.console import UserError
from ride_scoring.errors import UNREADABLE, RejectReason

FILES: Final = "ledger-*.ndjson"
"""Glob pattern of a run's ledgers."""
_RIDE_ID: Final = re.compile(r"([0-9a-f]{8})-(\d{1,4})-(\d{1,12})", re.ASCII)


class Run(msgspec.Struct, frozen=True, tag="run"):
    """The first line: the run, its part, when it began, and its options and package versions.

    `run` is 8 hexadecimal digits, `began_at` seconds since the epoch.
    """

    run: str
    part: int
    parts: int
    began_at: float
    stream: str
    options: dict[str, Any]
    versions: dict[str, str]


class Intended(msgspec.Struct, frozen=True, tag="intended"):
    """About to be put: rides `first`, `first` + 1, … of the part, one for each of `minutes`.

    `minutes` are the true durations. The rest maps ride numbers to exceptions: the injected fault,
    the required reject reason, and the earlier ride it is a copy of (its own record, with the
    other's id and bytes).
    """

    first: int
    minutes: list[float]
    faults: dict[int, str] = {}
    reasons: dict[int, RejectReason] = {}
    copies: dict[int, int] = {}


class PutRecord(msgspec.Struct, frozen=True, array_like=True):
    """One Kinesis record: its first ride, and how many are aggregated in it (0: not aggregated)."""

    first: int
    packed: int


class TakenRecord(msgspec.Struct, frozen=True, array_like=True):
    """One Kinesis record the stream accepted as `event_id`.

    The rides aggregated in it are scored as `event_id:0`, `event_id:1` and so on.
    """

    first: int
    packed: int
    event_id: str


class Taken(msgspec.Struct, frozen=True, tag="taken"):
    """The stream accepted these records of a call begun at `sent_at` seconds since the epoch."""

    sent_at: float
    records: list[TakenRecord]


class Unanswered(msgspec.Struct, frozen=True, tag="unanswered"):
    """No response to a call with these records was seen: the stream may have accepted any of them,
    and will hold duplicates if they are put again."""

    records: list[PutRecord]


Entry = Intended | Taken | Unanswered


class Ledger:
    """Appends to the ledger of one part of a run."""

    def __init__(self, folder: Path, run: Run) -> None:
        """Raises `UserError` if the folder already has one: it may not be reconciled yet."""
        self.path = folder / f"ledger-{run.part}.ndjson"
        self._encoder = msgspec.json.Encoder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self.path.open("xb", buffering=0)
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be created ({error.strerror}): name another folder with --out"
            ) from None
        fcntl.flock(self._file, fcntl.LOCK_EX)  # released when we end, however we end
        try:
            self._append(run)
        except UserError:
            self.path.unlink()  # nothing was sent, and the folder can be used again
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, entry: Entry) -> None:
        """Append the entry and hand it to the operating system. Raises `UserError`."""
        self._append(entry)

    def _append(self, line: Run | Entry) -> None:
        data = memoryview(self._encoder.encode(line) + b"\n")
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be written ({error.strerror}): free some space, or name "
                "another folder with --out; `verify` accounts for what was sent until now"
            ) from None


def ride_id(run: Run, number: int) -> str:
    """The id of a ride, by its number in the part whose ledger starts with `run`."""
    return f"{run.run}-{run.part}-{number}"


def number_of(ride_id: str) -> tuple[str, int, int] | None:
    """The run, part and number in a ride's id; None if the id is not one of ours."""
    match = _RIDE_ID.fullmatch(ride_id)
    return (match[1], int(match[2]), int(match[3])) if match else None


def runs(folder: Path) -> Mapping[int, Run]:
    """The first line of each part's ledger, by part.

    Raises `UserError` if a ledger is still being written, or if they are not of a single run.
    """
    paths = sorted(folder.glob(FILES))
    if not paths:
        raise UserError(
            f"{folder} holds no ledger: send rides first, with `python -m stream_sim send`"
        )
    for path in paths:
        _require_ended(path)
    found = [run for run, _ in map(_opened, paths)]
    if len({run.run for run in found}) > 1:
        raise UserError(f"{folder} holds ledgers of several runs: keep each run in its own folder")
    return {run.part: run for run in found}


def entries(folder: Path, part: int) -> Iterator[Entry]:
    """The entries of a part's ledger. A last line truncated by a kill is skipped. Raises
    `UserError`."""
    path = folder / f"ledger-{part}.ndjson"
    _, lines = _opened(path)
    decoder = msgspec.json.Decoder(Intended | Taken | Unanswered)
    for line in lines:
        try:
            yield decoder.decode(line)
        except UNREADABLE as error:
            raise UserError(f"{path} is damaged: {error}") from error


def newest(folder: Path) -> Path:
    """The folder below `folder` with the most recently written ledger. Raises `UserError`."""
    ledgers = sorted(folder.glob(f"*/{FILES}"), key=lambda path: path.stat().st_mtime)
    if not ledgers:
        raise UserError(
            f"{folder} holds no ledger: send rides first, with `python -m stream_sim send`"
        )
    return ledgers[-1].parent


def _require_ended(path: Path) -> None:
    """Raises `UserError` if a process is still sending."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f"{path} is still being written: wait for `send` to finish, or stop it"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None


def _opened(path: Path) -> tuple[Run, Iterator[bytes]]:
    """The first line, and the complete lines after it."""
    lines = _whole_lines(path)
    try:
        return msgspec.json.decode(next(lines, b""), type=Run), lines
    except UNREADABLE as error:
        raise UserError(f"{path} is damaged: its first line names no run: {error}") from error


def _whole_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
