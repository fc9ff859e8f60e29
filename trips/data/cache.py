"""The folder of downloaded trip files: each lies beside a sidecar that says what it must be.

A file is whole when size and SHA-256 are those of its sidecar. Any other is fetched again.
"""

import contextlib
import datetime as dt
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from infra.common import console
from infra.common.console import UserError
from infra.common.paths import ROOT
from ride_scoring.errors import UNREADABLE
from trips.trip_records import first_sentence

DATA: Final = ROOT / ".data"
"""Where downloaded trip files lie unless TRIP_DATA_DIR names another folder."""


class Sidecar(msgspec.Struct, frozen=True):
    """What a cached file is. `etag` is the server's, quotes and all; it may be empty."""

    url: str
    etag: str
    bytes: int
    rows: int
    sha256: str
    fetched_at: dt.datetime


class Damaged(UserError):
    """A file is not the parquet file that it was said to be."""


def folder() -> Path:
    return Path(os.environ.get("TRIP_DATA_DIR") or DATA)


def cached(path: Path) -> Sidecar | None:
    """The sidecar of a file that is there and whole; None for any other."""
    try:
        sidecar = msgspec.json.decode(_sidecar_path(path).read_bytes(), type=Sidecar)
        if path.stat().st_size == sidecar.bytes and digest(path) == sidecar.sha256:
            return sidecar
    except (FileNotFoundError, *UNREADABLE):
        pass
    return None


def admit(part: Path, path: Path, url: str, etag: str) -> Sidecar:
    """Checks a downloaded file and moves it to its place, with its sidecar.

    Raises `Damaged` where it is no whole parquet file with rows; it is removed then.
    """
    try:
        rows = count_rows(part)
    except Damaged as error:
        part.unlink()
        raise Damaged(f"what {url} gave {error}: fetch it again, or ask who keeps it") from error
    fetched_at = dt.datetime.now(tz=dt.UTC)
    sidecar = Sidecar(url, etag, part.stat().st_size, rows, digest(part), fetched_at)
    # The sidecar first: one without its file fails the check, and the part is still there.
    write(_sidecar_path(path), msgspec.json.encode(sidecar))
    part.replace(path)
    return sidecar


def count_rows(path: Path) -> int:
    """Rows of a parquet file: its footer's, its row groups' and those that can be read agree.

    Raises `Damaged`, its message to stand behind the file's name.
    """
    try:
        with pq.ParquetFile(path) as file:
            footer = file.metadata
            grouped = sum(footer.row_group(i).num_rows for i in range(footer.num_row_groups))
            first = file.schema_arrow.names[:1]
            readable = sum(batch.num_rows for batch in file.iter_batches(columns=first))
            rows = int(footer.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise Damaged(f"is no whole parquet file ({first_sentence(error)})") from error
    if not rows == grouped == readable:
        raise Damaged(f"says it has {rows:,} rows, and {readable:,} can be read")
    if not rows:
        raise Damaged("has no rows")
    return rows


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: Path, content: bytes) -> None:
    """Puts a small file in its place at once: nobody reads half of it."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One at a time fetches a file; who comes second waits. The lock file stays behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.err.print(f"  {path.name} is being fetched by another process: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sidecar_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
