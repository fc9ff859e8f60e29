"""A rejects bucket in, what was set aside since a watch began out: by listings that stay short."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from infra.bucket import Bucket, Listed
from ride_scoring.events import Reject
from ride_scoring.rejects import PREFIX as REJECTS_PREFIX
from stream_sim.set_aside import FAILURES_PREFIX, FailedRecord, failed_records

_LOOK_BACK: Final = timedelta(hours=6)
"""Rejects lie under the hour in which their ride arrived, and rides wait no longer than this unless
`record_age_seconds` says otherwise."""
_CLOCKS_APART: Final = timedelta(minutes=1)
"""This machine's clock began the watch, and S3's says when an object was written."""
_NOT_OURS: Final = (msgspec.DecodeError, UnicodeDecodeError)


class Aside:
    """Gives what is new since it was last asked, each object once for each content it had."""

    def __init__(self, bucket: Bucket, began: datetime, now: Callable[[], datetime]) -> None:
        self._bucket = bucket
        self._began = began
        self._now = now
        self._read: dict[str, str] = {}

    def rejects(self) -> Iterator[Reject]:
        """Raises `UserError` where the bucket is not there or not ours to read, and boto3's
        errors, as `failures` does."""
        since = max(self._began, self._now() - _LOOK_BACK).astimezone(UTC)
        decoder = msgspec.json.Decoder(Reject)
        for body in self._new(REJECTS_PREFIX, f"{REJECTS_PREFIX}{since:%Y/%m/%d/%H/}"):
            with contextlib.suppress(*_NOT_OURS):
                yield from decoder.decode_lines(body)

    def failures(self) -> Iterator[FailedRecord]:
        """The records in the failure documents that the mapping wrote."""
        for body in self._new(FAILURES_PREFIX, ""):
            with contextlib.suppress(*_NOT_OURS):
                yield from failed_records(body)

    def _new(self, prefix: str, after: str) -> Iterator[bytes]:
        listed = [entry for entry in self._bucket.listed(prefix, after) if self._is_ours(entry)]
        self._forget(prefix, listed)
        for entry in listed:
            if self._read.get(entry.key) != entry.etag and (found := self._bucket.get(entry.key)):
                self._read[entry.key] = found.etag
                yield found.body

    def _is_ours(self, entry: Listed) -> bool:
        return entry.written_at + _CLOCKS_APART >= self._began

    def _forget(self, prefix: str, listed: list[Listed]) -> None:
        """Keys that will not be listed again."""
        kept = {entry.key for entry in listed}
        for key in [key for key in self._read if key.startswith(prefix) and key not in kept]:
            del self._read[key]
