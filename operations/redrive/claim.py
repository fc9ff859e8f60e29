"""One redrive of a bucket at a time: a claim, which a redrive renews and gives back at its end.

A killed redrive leaves its claim behind, and it is void two minutes after it was last renewed. Its
age is S3's to say, so the clocks of two machines need not agree.
"""

import os
import socket
import time
from datetime import UTC, datetime
from typing import Final

import msgspec

from infra.common.bucket import Bucket, Stored
from infra.common.console import UserError
from ride_scoring.errors import UNREADABLE

KEY: Final = "redriven/claim.json"
VOID_SECONDS: Final = 120.0
"""More than can pass from a renewal to the last call of a put: each waits 45 s at most."""
_RENEWAL_SECONDS: Final = 10.0


class Note(msgspec.Struct, frozen=True):
    """What lies in the bucket. `renewed_at` sets apart what is written one after another."""

    by: str
    renewed_at: datetime
    held: bool


class Claim:
    """A claim of this process's on one bucket; another's is void after `void_seconds`."""

    def __init__(self, bucket: Bucket, void_seconds: float = VOID_SECONDS) -> None:
        self._bucket = bucket
        self._void_seconds = void_seconds
        self._etag: str | None = None
        self._renewed_at = float("-inf")

    def take(self) -> None:
        """Raises `UserError` where another redrive holds it, or comes first."""
        found = self._bucket.get(KEY)
        if found and found.age_seconds < self._void_seconds and (holder := _holder(found)):
            raise UserError(
                f"a redrive of {self._bucket.name} by {holder} is under way: wait for its end, or "
                f"{self._void_seconds - found.age_seconds:.0f} s if it was killed"
            )
        self._write(found.etag if found else None, held=True)

    def renew(self) -> None:
        """Holds the claim for a while longer. Raises `UserError` where another has taken it."""
        if time.monotonic() - self._renewed_at > _RENEWAL_SECONDS:
            self._write(self._etag, held=True)

    def release(self) -> None:
        """Lets the next redrive begin at once. Raises `UserError` where another has taken it."""
        self._write(self._etag, held=False)

    def _write(self, etag: str | None, *, held: bool) -> None:
        began = time.monotonic()
        by = f"process {os.getpid()} on {socket.gethostname()}"
        note = Note(by, datetime.now(UTC), held)
        self._etag = self._bucket.write(KEY, msgspec.json.encode(note), etag)
        if self._etag is None:
            raise UserError(
                f"another redrive of {self._bucket.name} came first: wait for its end, and run "
                "this again"
            )
        self._renewed_at = began


def _holder(found: Stored) -> str | None:
    try:
        note = msgspec.json.decode(found.body, type=Note)
    except UNREADABLE:
        return "somebody"
    return note.by if note.held else None
