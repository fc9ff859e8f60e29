"""The ids of events that were redriven, from marks in a rejects bucket."""

from collections.abc import Iterator
from datetime import datetime

from infra.common.bucket import Bucket, Listed
from ride_scoring.streams.rejects import PREFIX as REJECTS_PREFIX
from stream_sim.kinesis import marks
from stream_sim.kinesis.dead_letters import FAILURES_PREFIX, LONGEST_WAIT
from stream_sim.kinesis.marks import MARKS, Place


class Redriven:
    """Reads the marks written since a time: each once per version of its content."""

    def __init__(self, bucket: Bucket, since: datetime) -> None:
        self._bucket = bucket
        self._since = since
        self._etags: dict[str, str] = {}
        self._event_ids: set[str] = set()
        self._told = 0

    def new_event_ids(self) -> frozenset[str] | None:
        """All marked ids, or None if unchanged since the last call; initially there are none.
        Raises `UserError` and boto3's errors."""
        for found in self._listed():
            if self._etags.get(found.key) != found.etag and (
                mark := marks.read(self._bucket, found.key)
            ):
                self._event_ids.update(mark[0].sent)
                self._etags[found.key] = mark[1]
        if len(self._event_ids) == self._told:
            return None
        self._told = len(self._event_ids)
        return frozenset(self._event_ids)

    def _listed(self) -> Iterator[Listed]:
        """Marks of rejects are stored by the hour, as rejects are; those of failures by mapping and
        shard, so all of them are listed."""
        first = self._since - LONGEST_WAIT
        for place in (
            Place(f"{MARKS}{REJECTS_PREFIX}", f"{MARKS}{REJECTS_PREFIX}{first:%Y/%m/%d/%H/}"),
            Place(f"{MARKS}{FAILURES_PREFIX}"),
        ):
            for found in self._bucket.listed(*place):
                if found.written_at >= self._since:
                    yield found
