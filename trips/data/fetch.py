"""Fetches months from TLC into the cache as verified parquet files."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from infra.common import console
from infra.common.console import UserError
from trips.data import cache, parts
from trips.data.cache import Sidecar
from trips.data.download import NotPublished, Progress, bare, download, no_progress
from trips.data.months import Month


@dataclass(frozen=True)
class Fetched:
    """A month's file in the cache. `from_cache` is true if nothing had to be downloaded."""

    path: Path
    sidecar: Sidecar
    from_cache: bool


def fetch(
    month: Month,
    folder: Path | None = None,
    *,
    url_base: str | None = None,
    progress: Progress = no_progress,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Gets the month's file from the cache, or downloads it, resuming any earlier download.

    The folder defaults to `cache.folder()`, the base URL to `months.base_url()`. Raises `UserError`
    if TLC has no such month, the file is damaged or the disk cannot be written, and its subclass
    `Unreachable` if the host is down. On interruption, a `.part` file keeps the bytes received.
    """
    path = (folder or cache.folder()) / month.file_name
    try:
        with cache.locked(path):
            if sidecar := cache.cached(path):
                return Fetched(path, sidecar, from_cache=True)
            return Fetched(
                path, _download(month, path, url_base, progress, sleep), from_cache=False
            )
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}): free some space there, or name "
            "another folder in TRIP_DATA_DIR; what was received is kept"
        ) from error


def _download(
    month: Month,
    path: Path,
    url_base: str | None,
    progress: Progress,
    sleep: Callable[[float], None],
) -> Sidecar:
    asked = month.url(url_base)
    url = bare(asked)
    part = path.with_name(f"{path.name}.part")
    try:
        etag = download(asked, part, progress, sleep)
    except NotPublished as error:
        raise UserError(
            f"TLC has no {month.taxi} trips of {month.calendar_month} at {url}: it publishes a "
            "month about two months after its end"
        ) from error
    sidecar = cache.admit(part, path, url, etag)
    parts.forget(part)
    return sidecar


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Progress bar on standard error with bytes, speed and time left; hidden if not a terminal."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    visible = console.err.is_terminal
    with Bars(*columns, console=console.err, transient=True, disable=not visible) as bars:
        # Nothing is shown for a cached file.
        task = bars.add_task(title, total=None, visible=False)
        yield lambda done, total: bars.update(task, completed=done, total=total, visible=True)
