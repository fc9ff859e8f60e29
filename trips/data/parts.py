"""Metadata of partial downloads, stored beside them so that they can be resumed."""

from pathlib import Path

import msgspec

from ride_scoring.errors import UNREADABLE
from trips.data import cache


class Begun(msgspec.Struct, frozen=True):
    """The file that a part belongs to; `bytes` is its full size, if known."""

    url: str
    etag: str
    bytes: int | None


def begin(part: Path, begun: Begun) -> None:
    """Truncates the part, then writes its metadata, so that old bytes never pass for new ones."""
    part.open("wb").close()
    cache.write(_description(part), msgspec.json.encode(begun))


def begun(url: str, part: Path) -> Begun | None:
    """Metadata of a resumable part: nonempty, of the same URL and with a strong ETag; else None."""
    try:
        begun = msgspec.json.decode(_description(part).read_bytes(), type=Begun)
        kept = part.stat().st_size
    except (FileNotFoundError, *UNREADABLE):
        return None
    # A weak ETag promises the same meaning, not the same bytes (RFC 9110, 13.1.5).
    strong = begun.etag.startswith('"')
    fits = begun.bytes is None or kept <= begun.bytes
    return begun if begun.url == url and strong and fits and kept else None


def forget(part: Path) -> None:
    """Makes the next attempt start over."""
    _description(part).unlink(missing_ok=True)


def _description(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
