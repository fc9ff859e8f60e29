"""A rejects bucket in, the ids of what a redrive sent again out, and whether there are new ones."""

from typing import Final

from infra.bucket import Bucket
from stream_sim.redrive.marks import PREFIX, Marks
from stream_sim.redrive.options import PREFIXES

_MARKED: Final = tuple(PREFIXES.values())


class Redriven:
    """Reads the marks of a bucket anew where one was written since the last call."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._known: list[tuple[str, str]] = []

    def new_event_ids(self) -> frozenset[str] | None:
        """All ids that are marked, or None where they are those of the last call; none are at
        first. Raises `UserError`."""
        listed = [
            (found.key, found.etag)
            for prefix in _MARKED
            for found in self._bucket.listed(PREFIX + prefix)
        ]
        if listed == self._known:
            return None
        event_ids = frozenset(Marks(self._bucket, _MARKED).event_ids)
        self._known = listed
        return event_ids
