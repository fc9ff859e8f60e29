"""Rejects in, one NDJSON object a batch out, in S3."""

from collections.abc import Sequence
from typing import Final

import msgspec

from ride_scoring.errors import AwsError, StoreUnavailable
from ride_scoring.events import Reject
from ride_scoring.ports import Objects

PREFIX: Final = "rejects/"

_encoder = msgspec.json.Encoder()


class RejectStore:
    """Sets rejects aside in one bucket."""

    def __init__(self, s3: Objects, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def put(self, rejects: Sequence[Reject]) -> None:
        """Writes the rejects of one batch. Raises `StoreUnavailable`."""
        key = object_key(rejects[0])
        body = _encoder.encode_lines(rejects)
        try:
            self._s3.put(self._bucket, key, body, "application/x-ndjson")
        except AwsError as error:
            raise StoreUnavailable(
                f"{len(rejects)} rejects cannot be written to s3://{self._bucket}/{key}: {error}"
            ) from error


def object_key(first: Reject) -> str:
    """Derived from the first reject alone, so that a batch tried again overwrites its object."""
    return f"{PREFIX}{first.arrived_at:%Y/%m/%d/%H}/{first.event_id.replace(':', '-')}.ndjson"
