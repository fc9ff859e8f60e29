"""Writes rejects to S3, one NDJSON object for each batch."""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from ride_scoring.errors import AwsError, StoreUnavailable
from ride_scoring.ports import Objects
from ride_scoring.streams.records import Reject

PREFIX: Final = "rejects/"
_DIGEST_CHARACTERS: Final = 16

_encoder = msgspec.json.Encoder()


class RejectStore:
    """Writes rejects to one bucket."""

    def __init__(self, s3: Objects, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def put(self, rejects: Sequence[Reject]) -> None:
        """Writes the rejects of one batch. Raises `StoreUnavailable`."""
        key = object_key(rejects)
        body = _encoder.encode_lines(rejects)
        try:
            self._s3.put(self._bucket, key, body, "application/x-ndjson")
        except AwsError as error:
            raise StoreUnavailable(
                f"{len(rejects)} rejects cannot be written to s3://{self._bucket}/{key}: {error}"
            ) from error


def object_key(rejects: Sequence[Reject]) -> str:
    """Derived from the rejects in the object, so that a retried batch overwrites only its own
    object. A shorter batch that is written later must not replace a longer one.

    The content counts as well, as events of two batches may share an id: see `distinct_ids`.
    """
    first = rejects[0]
    digest = hashlib.sha256()
    for reject in rejects:
        named = reject.event_id, reject.partition_key, reject.data_base64
        digest.update(_encoder.encode(named))
    name = first.event_id.replace(":", "-")
    shown = digest.hexdigest()[:_DIGEST_CHARACTERS]
    return f"{PREFIX}{first.arrived_at:%Y/%m/%d/%H}/{name}-{shown}.ndjson"
