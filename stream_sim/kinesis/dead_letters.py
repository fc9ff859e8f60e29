"""The dead letters in a rejects bucket: rejects, and batches whose retries are exhausted."""

import binascii
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from infra.common.bucket import Bucket, Listed
from ride_scoring.errors import UNREADABLE, CannotScore
from ride_scoring.streams.kinesis_event import distinct_ids
from ride_scoring.streams.records import KinesisRecord, Reject
from ride_scoring.streams.rejects import PREFIX as REJECTS_PREFIX
from ride_scoring.streams.unpack import arrivals

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FAILURES_PREFIX: Final = "aws/lambda/"
"""https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"""
_TO_READ: Final = "they have to list it, and to read rejects/, aws/lambda/ and redriven/"
LONGEST_WAIT: Final = timedelta(days=1)
"""How long a ride may have waited that shares a batch, and so an object, with a later one: an
object's key contains the hour of its first ride."""
_LISTED_WITHIN: Final = timedelta(minutes=15)
"""S3 lists objects as soon as they are written: none older than this appears later."""
_LEAST_SERVER_ERROR: Final = 500


class FailedRecord(msgspec.Struct, frozen=True):
    """A complete record that Lambda gave up on, so it can be sent again."""

    event_id: str
    partition_key: str
    data: bytes


def unpacked(record: FailedRecord) -> list[FailedRecord]:
    """The events in a record, each with the id the function gives it; the record itself if its
    events cannot be told apart, as it is then a single event to the function, too."""
    read = KinesisRecord(record.event_id, "", record.partition_key, 0.0, _base64(record.data))
    try:
        found = arrivals(0, read)
    except CannotScore:
        return [record]
    return [FailedRecord(event.event_id, event.partition_key, event.data) for event in found]


def rejects_bucket(s3: "S3Client", name: str, needs: str = _TO_READ) -> Bucket:
    """Raises `UserError` on use if it does not exist or we have no access; `needs` describes the
    required permissions."""
    return Bucket(s3, name, "REJECTS_BUCKET or --rejects-bucket", needs)


class DeadLetters:
    """Reads what was written to a rejects bucket since a time: each object once per version of its
    content, however often it is asked."""

    def __init__(
        self,
        bucket: Bucket,
        since: datetime,
        *,
        look_back: timedelta | None = None,
        passed_over: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Skips objects of rides that arrived over a day before `since`, or longer than `look_back`
        before the latest reject. Calls `passed_over` with the key of an object that is not fully
        readable."""
        self._bucket = bucket
        self._since = since.astimezone(UTC)
        self._look_back = look_back
        self._passed_over = passed_over
        self._rejects = _Objects(bucket, REJECTS_PREFIX, self._since)
        self._failures = _Objects(bucket, FAILURES_PREFIX, self._since)
        self._answered_at = time.monotonic()
        self.trouble: str | None = None
        """Why the bucket does not respond."""

    @property
    def silent_seconds(self) -> float:
        """How long the bucket has not responded to requests."""
        return time.monotonic() - self._answered_at if self.trouble else 0.0

    @contextlib.contextmanager
    def patiently(self) -> Iterator[None]:
        """A context in which an unreachable bucket is no error, but recorded as `trouble`."""
        try:
            yield
        except BotoCoreError as error:
            self.trouble = str(error)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < _LEAST_SERVER_ERROR:
                raise
            self.trouble = str(error)
        else:
            self._answered_at, self.trouble = time.monotonic(), None

    def new_rejects(self) -> Iterator[Reject]:
        """The rejects in objects that are new or were rewritten since the last call.

        Raises `UserError` and boto3's errors, as does everything that reads the bucket.
        """
        decoder = msgspec.json.Decoder(Reject)
        for key, body in self._rejects.new(after=self._first_reject()):
            damaged = False
            for line in body.splitlines():
                try:
                    reject = decoder.decode(line)
                except UNREADABLE:
                    damaged = True
                else:
                    yield reject
            if damaged:
                self._passed_over(key)

    def new_failures(self) -> Iterator[FailedRecord]:
        """The records in the mapping's failure documents that are new since the last call."""
        # Their keys begin with mapping and shard, so all are listed.
        for key, body in self._failures.new():
            try:
                records = failed_records(body)
            except UNREADABLE:
                records = []
            if not records:
                self._passed_over(key)
            yield from records

    def tell_again(self) -> None:
        """Make the next calls return everything returned before, too."""
        self._rejects = _Objects(self._bucket, REJECTS_PREFIX, self._since)
        self._failures = _Objects(self._bucket, FAILURES_PREFIX, self._since)

    def _first_reject(self) -> str:
        """Rejects are stored under the hour in which the first ride in them arrived."""
        first = self._since - LONGEST_WAIT
        if self._look_back:
            first = max(first, self._rejects.new_from - self._look_back)
        return f"{REJECTS_PREFIX}{first:%Y/%m/%d/%H/}"


class _Objects:
    """The objects under a prefix written since a time; those that can no longer be new are
    forgotten."""

    def __init__(self, bucket: Bucket, prefix: str, since: datetime) -> None:
        self.new_from = since
        self._bucket = bucket
        self._prefix = prefix
        self._read: dict[str, str] = {}

    def new(self, after: str = "") -> Iterator[tuple[str, bytes]]:
        """Keys and contents of the new objects, for keys after `after`."""
        listed = self._bucket.listed(self._prefix, after)
        for key, etag in [(e.key, e.etag) for e in listed if e.written_at >= self.new_from]:
            if self._read.get(key) != etag and (found := self._bucket.get(key)):
                self._read[key] = found.etag
                yield key, found.body
        self._forget(listed)

    def _forget(self, listed: Sequence[Listed]) -> None:
        # By S3's clock alone: whatever is listed has been written by now.
        latest = max((entry.written_at for entry in listed), default=self.new_from)
        self.new_from = max(self.new_from, latest - _LISTED_WITHIN)
        kept = {entry.key for entry in listed if entry.written_at >= self.new_from}
        self._read = {key: etag for key, etag in self._read.items() if key in kept}


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
    """The records in one of the mapping's failure documents, each with a distinct `event_id`.
    Raises `msgspec.DecodeError`.

    AWS embeds the invocation's event in the document; a JSON string is accepted, too.
    """
    payload = bytes(msgspec.json.decode(document, type=_Document).payload)
    text = msgspec.json.decode(payload, type=str) if payload.startswith(b'"') else payload
    found = msgspec.json.decode(text, type=_Payload).records
    ids = distinct_ids(
        [
            (record.event_id, record.kinesis.partition_key, _base64(record.kinesis.data))
            for record in found
        ]
    )
    return [
        FailedRecord(event_id, record.kinesis.partition_key, record.kinesis.data)
        for event_id, record in zip(ids, found, strict=True)
    ]


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()
