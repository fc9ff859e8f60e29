"""Writes marks of what was sent again.

An event may be in two objects (a batch retried from a later record), so events named in any mark
are skipped. If an object is rewritten, only its new events are sent.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from infra.common.bucket import Bucket
from infra.common.console import UserError
from stream_sim.kinesis.marks import MARKS, Mark, Place, read

_SUFFIX: Final = ".json"


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
