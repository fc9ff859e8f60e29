"""Key ranges of a rejects bucket that can hold rejects and failures since a time, and marks of
resent events, so that a redrive of the last hours does not list years of objects.

Rejects are keyed by the arrival hour of their first ride, failures by mapping, shard and the day
they were written; marks mirror the keys of their objects.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from infra.common.bucket import Bucket
from operations.redrive.options import PREFIXES, Selection, Source
from stream_sim.kinesis.marks import MARKS, Place

CLOCKS_APART: Final = timedelta(minutes=15)
"""Maximum skew between S3's clock and the function's, which sets the hours in keys: S3 refuses
requests with a larger skew."""


def of_objects(bucket: Bucket, selection: Selection) -> Iterator[Place]:
    """Where selected objects can lie. A ride may have waited before it was rejected."""
    waited = selection.longest_wait if selection.source == "rejects" else timedelta()
    return _since(bucket, selection.source, "", _before(selection, waited))


def of_marks(bucket: Bucket, selection: Selection) -> Iterator[Place]:
    """Where marks that name a selected ride can lie. Another object with the ride begins with a
    ride of the same batch, which cannot have waited longer than the maximum."""
    wait = selection.longest_wait
    yield from _since(bucket, "rejects", MARKS, _before(selection, 2 * wait))
    yield from _since(bucket, "failures", MARKS, _before(selection, wait))


def _before(selection: Selection, wait: timedelta) -> datetime | None:
    return selection.since and selection.since - wait - CLOCKS_APART


def _since(bucket: Bucket, source: Source, root: str, first: datetime | None) -> Iterator[Place]:
    prefix = root + PREFIXES[source]
    if first is None:
        yield Place(prefix)
    elif source == "rejects":
        yield Place(prefix, f"{prefix}{first:%Y/%m/%d/%H/}")
    else:
        for mapping in bucket.folders(prefix):
            for shard in bucket.folders(mapping):
                yield Place(shard, f"{shard}{first:%Y/%m/%d/}")
