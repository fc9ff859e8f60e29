"""Sources of trips: resolves a source name to records and their digest."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from infra.common.console import UserError
from trips import trip_records
from trips.data import cache, s3
from trips.data.fetch import fetch, progress_bar
from trips.data.months import Month, is_like_a_month
from trips.profile import drawn
from trips.trip_records import GREEN_TIMES, ZONES_AND_MILES, TripRecords

MOST_SYNTHETIC_TRIPS: Final = 1_000_000
"""Generating a trip takes 2 kB of memory."""
_SYNTHETIC: Final = re.compile(r"synthetic:(\d{1,9}):(\d{1,9})", re.ASCII)
_SYNTHETIC_TYPES: Final = ("timestamp[us]", "timestamp[us]", "int64", "int64", "double")


@dataclass(frozen=True)
class Source:
    """Records and their origin.

    `sha256` covers the file's bytes, or the columns' bytes if there is no file. `month` is set if
    the source was named as a month.
    """

    name: str
    sha256: str
    records: TripRecords
    month: Month | None = None


def open_source(text: str, folder: Path | None = None) -> Source:
    """Reads a source: a month, a parquet file, s3://bucket/key or synthetic:COUNT:SEED.

    Downloads go to the folder, by default `cache.folder()`. Raises `UserError`.
    """
    name = canonical_name(text)
    folder = folder or cache.folder()
    if name.startswith(s3.SCHEME):
        path, sidecar = s3.fetch(name, folder)
        return Source(name, sidecar.sha256, trip_records.read(path))
    if name.startswith("synthetic:"):
        return _synthetic(name)
    if is_like_a_month(name):
        return _of_month(Month.parse(name), folder)
    records = _read_file(Path(name))
    return Source(name, cache.digest(Path(name)), records)


def canonical_name(text: str) -> str:
    """Normalizes the name of a source; paths become absolute.

    Raises `UserError` for an invalid month.
    """
    if is_like_a_month(text):
        return str(Month.parse(text))
    if text.startswith((s3.SCHEME, "synthetic:")):
        return text
    return str(Path(text).resolve())


def require_sensible(text: str) -> None:
    """Raises `UserError` for sources that clearly cannot be opened, without opening them.

    Called for all sources before any download, so that typos surface at once, not minutes later.
    """
    name = canonical_name(text)
    if not (name.startswith((s3.SCHEME, "synthetic:")) or is_like_a_month(name)):
        _require_file(Path(name))


def _of_month(month: Month, folder: Path) -> Source:
    with progress_bar(str(month)) as progress:
        fetched = fetch(month, folder, progress=progress)
    return Source(str(month), fetched.sidecar.sha256, trip_records.read(fetched.path), month)


def _read_file(path: Path) -> TripRecords:
    _require_file(path)
    return trip_records.read(path)


def _require_file(path: Path) -> None:
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        raise UserError(
            f"{path} {what}: name a month as 2023-01, a parquet file, s3://bucket/key or "
            "synthetic:COUNT:SEED"
        )


def _synthetic(name: str) -> Source:
    match = _SYNTHETIC.fullmatch(name)
    if not match or not 1 <= int(match[1]) <= MOST_SYNTHETIC_TRIPS:
        raise UserError(
            f"{name} names no synthetic trips: write synthetic:COUNT:SEED with a count of 1 to "
            f"{MOST_SYNTHETIC_TRIPS:,}, such as synthetic:40000:0"
        )
    made = drawn.synthetic(int(match[1]), int(match[2]))
    pickup = made.pickup.astype("datetime64[us]")
    seconds = made.duration_minutes * 60
    records = TripRecords(
        pickup=pickup,
        dropoff=pickup + (seconds * 1e6).round().astype("timedelta64[us]"),
        pickup_zone=made.pickup_zone.astype(np.float64),
        dropoff_zone=made.dropoff_zone.astype(np.float64),
        distance_miles=made.distance_miles,
        types=dict(zip((*GREEN_TIMES, *ZONES_AND_MILES), _SYNTHETIC_TYPES, strict=True)),
    )
    digest = hashlib.sha256()
    for _, _, values in records.columns():
        digest.update(np.ascontiguousarray(values).view(np.uint8).data)
    return Source(name, digest.hexdigest(), records)
