"""Months from TLC into the cache: a month comes in, a parquet file that was checked comes out."""

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
    """A month's file in the cache. `from_cache` says that nothing had to be downloaded."""

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
    """The month's file out of the cache, downloaded, or gone on with where an earlier run stopped.

    The folder is `cache.folder()` and the address `months.base_url()` unless others are given.
    Raises `UserError` where TLC has no such month, what came is not whole, or the disk does not
    take it, and its `Unreachable` where the host is away. Whatever stops it, a `.part` file keeps
    what came.
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
            f"{path} cannot be written ({error.strerror or error}): make room there, or name "
            "another folder in TRIP_DATA_DIR; what came is kept"
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
    """A bar on standard error with bytes, speed and time left; none where that is no terminal."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    visible = console.err.is_terminal
    with Bars(*columns, console=console.err, transient=True, disable=not visible) as bars:
        # Nothing is shown of a file that is in the cache.
        task = bars.add_task(title, total=None, visible=False)
        yield lambda done, total: bars.update(task, completed=done, total=total, visible=True)
