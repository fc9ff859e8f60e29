"""The folder of downloaded trip files, each with a sidecar that describes it.

A file is intact if its size and SHA-256 match its sidecar; otherwise it is fetched again.
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
"""Default folder of downloaded trip files; TRIP_DATA_DIR overrides it."""


class Sidecar(msgspec.Struct, frozen=True):
    """Describes a cached file. `etag` is the server's, including quotes; it may be empty."""

    url: str
    etag: str
    bytes: int
    rows: int
    sha256: str
    fetched_at: dt.datetime


class Damaged(UserError):
    """A file is not a valid parquet file with rows."""


def folder() -> Path:
    return Path(os.environ.get("TRIP_DATA_DIR") or DATA)


def cached(path: Path) -> Sidecar | None:
    """The sidecar of a file that exists and is intact; otherwise None."""
    try:
        sidecar = msgspec.json.decode(_sidecar_path(path).read_bytes(), type=Sidecar)
        if path.stat().st_size == sidecar.bytes and digest(path) == sidecar.sha256:
            return sidecar
    except (FileNotFoundError, *UNREADABLE):
        pass
    return None


def admit(part: Path, path: Path, url: str, etag: str) -> Sidecar:
    """Checks a downloaded file and moves it into place, with its sidecar.

    Raises `Damaged`, and deletes the file, if it is not a complete parquet file with rows.
    """
    try:
        rows = count_rows(part)
    except Damaged as error:
        part.unlink()
        raise Damaged(f"what {url} gave {error}: fetch it again, or tell its publisher") from error
    fetched_at = dt.datetime.now(tz=dt.UTC)
    sidecar = Sidecar(url, etag, part.stat().st_size, rows, digest(part), fetched_at)
    # Sidecar first: without its file it fails the check, and the part still exists.
    write(_sidecar_path(path), msgspec.json.encode(sidecar))
    part.replace(path)
    return sidecar


def count_rows(path: Path) -> int:
    """Rows of a parquet file, on which footer, row groups and readable data must agree.

    Raises `Damaged` with a message that follows the name of the file.
    """
    try:
        with pq.ParquetFile(path) as file:
            footer = file.metadata
            grouped = sum(footer.row_group(i).num_rows for i in range(footer.num_row_groups))
            first = file.schema_arrow.names[:1]
            readable = sum(batch.num_rows for batch in file.iter_batches(columns=first))
            rows = int(footer.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise Damaged(f"is not a complete Parquet file ({first_sentence(error)})") from error
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
    """Writes a small file atomically, so that it is never read half-written."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lets one process at a time fetch a file; others wait. The lock file is left behind."""
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
