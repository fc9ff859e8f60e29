"""What the bytes of a broken download are of, kept beside them: so they can be gone on from."""

from pathlib import Path

import msgspec

from ride_scoring.errors import UNREADABLE
from trips.data import cache


class Begun(msgspec.Struct, frozen=True):
    """The file that a part is the beginning of; `bytes` is the size of all of it, where known."""

    url: str
    etag: str
    bytes: int | None


def begin(part: Path, begun: Begun) -> None:
    """Empties the part. That comes first: no old bytes may pass for new ones."""
    part.open("wb").close()
    cache.write(_description(part), msgspec.json.encode(begun))


def begun(url: str, part: Path) -> Begun | None:
    """What can be gone on from: bytes of the same address, under an ETag that vouches for them."""
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
    """The next attempt starts anew."""
    _description(part).unlink(missing_ok=True)


def _description(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
