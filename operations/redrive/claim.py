"""A lease that allows one redrive of a bucket at a time, renewed during it and released at its end.

The claim of a killed redrive expires two minutes after its last renewal. S3 determines its age, so
the clocks of two machines need not agree.
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
"""Longer than the time from a renewal to the last call of a put: each waits at most 45 s."""
_RENEWAL_SECONDS: Final = 10.0


class Note(msgspec.Struct, frozen=True):
    """The object in the bucket. `renewed_at` makes consecutive writes distinct."""

    by: str
    renewed_at: datetime
    held: bool


class Claim:
    """This process's claim on a bucket; that of another expires after `void_seconds`."""

    def __init__(self, bucket: Bucket, void_seconds: float = VOID_SECONDS) -> None:
        self._bucket = bucket
        self._void_seconds = void_seconds
        self._etag: str | None = None
        self._renewed_at = float("-inf")

    def take(self) -> None:
        """Takes the claim. Raises `UserError` if another redrive holds it or takes it first."""
        found = self._bucket.get(KEY)
        if found and found.age_seconds < self._void_seconds and (holder := _holder(found)):
            raise UserError(
                f"a redrive of {self._bucket.name} by {holder} is in progress: wait until it ends, "
                f"or {self._void_seconds - found.age_seconds:.0f} s if it was killed"
            )
        self._write(found.etag if found else None, held=True)

    def renew(self) -> None:
        """Extends the claim if it is due. Raises `UserError` if another redrive has taken it."""
        if time.monotonic() - self._renewed_at > _RENEWAL_SECONDS:
            self._write(self._etag, held=True)

    def release(self) -> None:
        """Lets the next redrive begin at once. Raises `UserError` if another has taken it."""
        self._write(self._etag, held=False)

    def _write(self, etag: str | None, *, held: bool) -> None:
        began = time.monotonic()
        by = f"process {os.getpid()} on {socket.gethostname()}"
        note = Note(by, datetime.now(UTC), held)
        self._etag = self._bucket.write(KEY, msgspec.json.encode(note), etag)
        if self._etag is None:
            raise UserError(
                f"another redrive of {self._bucket.name} started first: wait until it ends, "
                "then run this again"
            )
        self._renewed_at = began


def _holder(found: Stored) -> str | None:
    try:
        note = msgspec.json.decode(found.body, type=Note)
    except UNREADABLE:
        return "somebody"
    return note.by if note.held else None
