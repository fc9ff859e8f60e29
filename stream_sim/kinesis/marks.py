"""Marks in a rejects bucket: which events of each object with rejects or failures were sent again.

`operations.redrive` writes them, and `verify` reads them too.
"""

from typing import Final, NamedTuple

import msgspec

from infra.common.bucket import Bucket
from infra.common.console import UserError
from ride_scoring.errors import UNREADABLE

MARKS: Final = "redriven/"
"""Prefix of their keys, which go on as the keys of their objects do."""


class Place(NamedTuple):
    """Objects whose keys begin with `prefix` and come after `after`."""

    prefix: str
    after: str = ""


class Mark(msgspec.Struct, frozen=True):
    """The `event_id`s of one object's events that the stream accepted."""

    sent: tuple[str, ...]


def read(bucket: Bucket, key: str) -> tuple[Mark, str] | None:
    """Reads a mark and its ETag; None if it no longer exists. Raises `UserError`."""
    found = bucket.get(key)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found.body, type=Mark), found.etag
    except UNREADABLE as error:
        raise UserError(
            f"s3://{bucket.name}/{key} records what was already sent, but is damaged ({error}): "
            "fix it, or delete it to send its whole object again"
        ) from error
