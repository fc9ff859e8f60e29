"""Where in a rejects bucket that can lie which was set aside since a time, and the marks of what
was sent again: so that a redrive of the last hours does not list what is years old.

Rejects lie under the hour in which the first ride in them arrived, failures under their mapping,
their shard and the day on which they were set aside; marks lie as what they are of.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from infra.common.bucket import Bucket
from operations.redrive.options import PREFIXES, Selection, Source

MARKS: Final = "redriven/"
CLOCKS_APART: Final = timedelta(minutes=15)
"""What the function's clock, which the hours in keys are of, may differ by from S3's: S3 takes no
request whose own time is further off."""


class Place(NamedTuple):
    """Objects whose keys begin with `prefix` and come after `after`."""

    prefix: str
    after: str = ""


def of_objects(bucket: Bucket, selection: Selection) -> Iterator[Place]:
    """Where what is asked for can lie. A ride may have waited before it was rejected."""
    waited = selection.longest_wait if selection.source == "rejects" else timedelta()
    return _since(bucket, selection.source, "", _before(selection, waited))


def of_marks(bucket: Bucket, selection: Selection) -> Iterator[Place]:
    """Where marks can lie that name a ride of what is asked for. Its other object begins with a
    ride that was in one batch with it, and so had not waited for longer than any may."""
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
