"""A journal of what was read from the predictions stream, in the run's folder: a line per page.

An interrupted verify resumes from it, and a repeated one reads nothing twice. The checkpoint and
what was read up to it share a line, so they cannot diverge.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from infra.common.console import UserError
from ride_scoring.errors import UNREADABLE
from stream_sim.verify.reconciliation import Seen

FILE_NAME: Final = "predictions.ndjson"


class Head(msgspec.Struct, frozen=True, tag="stream"):
    """The first line: the stream that was read."""

    stream: str


class JournalPage(msgspec.Struct, frozen=True, tag="page"):
    """The run's predictions in one page of a shard, up to the record with that sequence number."""

    shard_id: str
    last_sequence_number: str
    predictions: list[Seen]


class Journal:
    """The journal of one run and stream; locked by one process at a time."""

    def __init__(self, folder: Path, stream: str) -> None:
        """Raises `UserError` if another process has locked it, or it cannot be written."""
        self._path = folder / FILE_NAME
        self._head = Head(stream)
        self._encoder = msgspec.json.Encoder()
        try:
            self._file: IO[bytes] = self._path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UserError(
                f"another verify of {folder} is in progress: wait until it ends"
            ) from None
        except OSError as error:
            raise self._cannot_be_written(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a full disk was reported before
            self._file.close()

    def pages(self) -> Iterator[JournalPage]:
        """What was read before. Lines that are damaged or of another stream are discarded: the
        stream still has their records."""
        decoder = msgspec.json.Decoder(Head | JournalPage)
        whole = 0
        self._file.seek(0)
        for line in self._file:
            entry = _decoded(decoder, line)
            if not (isinstance(entry, JournalPage) if whole else entry == self._head):
                break
            whole += len(line)
            if isinstance(entry, JournalPage):
                yield entry
        self._file.truncate(whole)
        if not whole:
            self._append(self._head)

    def write(self, page: JournalPage) -> None:
        """Raises `UserError`."""
        self._append(page)

    def _append(self, line: Head | JournalPage) -> None:
        try:
            self._file.write(self._encoder.encode(line) + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._cannot_be_written(error) from None

    def _cannot_be_written(self, error: OSError) -> UserError:
        return UserError(
            f"{self._path} cannot be written ({error.strerror}): free some space for it"
        )


def _decoded(
    decoder: msgspec.json.Decoder[Head | JournalPage], line: bytes
) -> Head | JournalPage | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return decoder.decode(line)
    except UNREADABLE:
        return None
