"""A rejects bucket in, what was set aside out: rejects, and batches whose retries are spent."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from infra.bucket import Bucket
from ride_scoring.events import Reject
from ride_scoring.rejects import PREFIX as REJECTS_PREFIX

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FAILURES_PREFIX: Final = "aws/lambda/"
"""https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"""


class FailedRecord(msgspec.Struct, frozen=True):
    """A record that Lambda gave up on, whole, so that it can be sent again."""

    event_id: str
    partition_key: str
    data: bytes


def rejects_bucket(s3: "S3Client", name: str) -> Bucket:
    """Raises `UserError` once it is used, where it is not there, or not ours to read."""
    needs = "they have to list it, and to read rejects/, aws/lambda/ and redriven/"
    return Bucket(s3, name, "REJECTS_BUCKET or --rejects-bucket", needs)


class SetAside:
    """Reads one rejects bucket, each object once however often it is asked."""

    def __init__(self, bucket: Bucket, since: datetime | None = None) -> None:
        """Passes over rejects of hours before the one that `since` lies in."""
        self._bucket = bucket
        self._first_reject = (
            f"{REJECTS_PREFIX}{since.astimezone(UTC):%Y/%m/%d/%H/}" if since else ""
        )
        self._read: dict[str, str] = {}

    def new_rejects(self) -> Iterator[Reject]:
        """The rejects in objects that are new, or were written again, since the last call.

        Raises `UserError`, as all do that read the bucket.
        """
        decoder = msgspec.json.Decoder(Reject)
        for body in self._new_objects(REJECTS_PREFIX, self._first_reject):
            yield from decoder.decode_lines(body)

    def new_failures(self) -> Iterator[FailedRecord]:
        """The records in the mapping's failure documents that are new since the last call."""
        for body in self._new_objects(FAILURES_PREFIX, ""):
            yield from failed_records(body)

    def _new_objects(self, prefix: str, after: str) -> Iterator[bytes]:
        for entry in self._bucket.listed(prefix, after):
            if self._read.get(entry.key) != entry.etag and (found := self._bucket.get(entry.key)):
                self._read[entry.key] = found.etag
                yield found.body


class _Kinesis(msgspec.Struct, frozen=True):
    partition_key: str = msgspec.field(name="partitionKey")
    data: bytes


class _Record(msgspec.Struct, frozen=True):
    event_id: str = msgspec.field(name="eventID")
    kinesis: _Kinesis


class _Payload(msgspec.Struct, frozen=True):
    records: tuple[_Record, ...] = msgspec.field(name="Records", default=())


class _Document(msgspec.Struct, frozen=True):
    payload: msgspec.Raw = msgspec.Raw(b"{}")


def failed_records(document: bytes) -> Sequence[FailedRecord]:
    """The records in one of the mapping's failure documents. Raises `msgspec.DecodeError`.

    AWS writes the invocation's event as part of the document; a JSON string is read as well.
    """
    payload = bytes(msgspec.json.decode(document, type=_Document).payload)
    text = msgspec.json.decode(payload, type=str) if payload.startswith(b'"') else payload
    return [
        FailedRecord(record.event_id, record.kinesis.partition_key, record.kinesis.data)
        for record in msgspec.json.decode(text, type=_Payload).records
    ]
