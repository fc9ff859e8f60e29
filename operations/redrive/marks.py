"""Marks: for each object with rejects or failures, the ids of its events that were resent.

An event may be in two objects (a batch retried from a later record), so events named in any mark
are skipped. If an object is rewritten, only its new events are sent.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from infra.common.bucket import Bucket
from infra.common.console import UserError
from operations.redrive.places import MARKS, Place
from ride_scoring.errors import UNREADABLE

_SUFFIX: Final = ".json"


class Mark(msgspec.Struct, frozen=True):
    """The `event_id`s of one object's events that the stream accepted."""

    sent: tuple[str, ...]


class Marks:
    """The marks in the given places; `event_ids` holds the ids they named when read."""

    def __init__(
        self,
        bucket: Bucket,
        where: Iterable[Place],
        each: Callable[[], None] = lambda: None,
    ) -> None:
        """Reads the marks, calling `each` before every one. Raises `UserError`."""
        self._bucket = bucket
        self._etags: dict[str, str] = {}
        self._marks: dict[str, Mark] = {}
        self.event_ids: set[str] = set()
        for place in where:
            for found in bucket.listed(*place):
                each()
                self._read(found.key)

    def add(self, source_key: str, event_ids: Iterable[str]) -> None:
        """Marks one object's events as sent. Raises `UserError` if another redrive marked it."""
        key = f"{MARKS}{source_key}{_SUFFIX}"
        known = self._marks.get(key, Mark(()))
        mark = Mark((*known.sent, *event_ids))
        etag = self._bucket.write(key, msgspec.json.encode(mark), self._etags.get(key))
        if etag is None:
            raise UserError(
                f"s3://{self._bucket.name}/{key} was written by another redrive: "
                f"{len(mark.sent) - len(known.sent)} records of it may be sent twice"
            )
        self._etags[key], self._marks[key] = etag, mark

    def _read(self, key: str) -> None:
        if found := read(self._bucket, key):
            self._marks[key], self._etags[key] = found
            self.event_ids.update(self._marks[key].sent)


def read(bucket: Bucket, key: str) -> tuple[Mark, str] | None:
    """Reads a mark and its ETag; None if it no longer exists. Raises `UserError`."""
    found = bucket.get(key)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found.body, type=Mark), found.etag
    except UNREADABLE as error:
        raise UserError(
            f"s3://{bucket.name}/{key} says what was sent already, and is damaged ({error}): mend "
            "it, or delete it to send all of its object again"
        ) from error
