"""Rejects in, one NDJSON object a batch out, in S3."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ride_scoring.errors import StoreUnavailable
from ride_scoring.events import Reject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX: Final = "rejects/"

_encoder = msgspec.json.Encoder()


class RejectStore:
    """Sets rejects aside in one bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def put(self, rejects: Sequence[Reject]) -> None:
        """Writes the rejects of one batch. Raises `StoreUnavailable`."""
        key = object_key(rejects[0])
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=_encoder.encode_lines(rejects),
                ContentType="application/x-ndjson",
            )
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable(
                f"{len(rejects)} rejects cannot be written to s3://{self._bucket}/{key}: {error}"
            ) from error


def object_key(first: Reject) -> str:
    """Derived from the first reject alone, so that a batch tried again overwrites its object."""
    return f"{PREFIX}{first.arrived_at:%Y/%m/%d/%H}/{first.event_id.replace(':', '-')}.ndjson"
