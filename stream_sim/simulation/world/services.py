"""S3 and Kinesis as seen by one execution environment: the function's ports over the simulated
bucket and stream, with injected faults."""

from typing import Final

import msgspec

from ride_scoring.domain import Prediction
from ride_scoring.errors import AwsError
from ride_scoring.models import store
from ride_scoring.ports import CALL_SECONDS
from ride_scoring.streams import kpl
from ride_scoring.streams.records import Reject
from stream_sim.simulation.world import models
from stream_sim.simulation.world.buckets import Buckets, Stored
from stream_sim.simulation.world.door import TIMED_OUT, Door
from stream_sim.simulation.world.invocation import Invocation
from stream_sim.simulation.world.pointer import PointerFollowed
from stream_sim.simulation.world.stream import THROTTLED, Entry, Stream, Taken

PREDICTIONS: Final = "ride-predictions"
FULL: Final = "the stream is full"
"""A cause that is not a fault: more was put than the stream accepts."""
_GET_ATTEMPTS: Final = 3
_IMPATIENT_SECONDS: Final = 1.0
_THROTTLES: Final = (THROTTLED, "KMSThrottlingException")
_DENIALS: Final = ("AccessDeniedException", "KMSAccessDeniedException", "KMSDisabledException")
_MOST_PUTS: Final = 250
"""PutRecords calls per invocation: ten for the largest batch, plus retries with backoff."""
_POINTER: Final = store.pointer_key(models.NAME, models.ALIAS)


class SimulatedS3:
    """Implements `ride_scoring.ports.Objects`; a failed call has failed on every attempt."""

    def __init__(self, door: Door, buckets: Buckets, follow: PointerFollowed) -> None:
        self._door = door
        self._buckets = buckets
        self._follow = follow

    def get(
        self, bucket: str, key: str, *, unless_etag: str | None = None, patient: bool = True
    ) -> Stored | None:
        if key == _POINTER:
            # With a model loaded, reading the pointer must not use up a batch's time.
            if patient and self._follow.serves is not None:
                self._door.note("kept waiting", f"invocation {self._door.now_running.number}")
            self._follow.looks()
        try:
            found = self._get(bucket, key, patient=patient)
        except AwsError:
            self._follow.failed = True
            raise
        if key == _POINTER:
            self._follow.found(found, unless_etag)
        return None if found.etag == unless_etag else found

    def put(self, bucket: str, key: str, body: bytes, _content_type: str) -> None:
        invocation = self._door.enter()
        self._door.slow("reject-slow", CALL_SECONDS * _GET_ATTEMPTS)
        self._door.fail("reject-error", "InternalError")
        self._buckets.put(bucket, key, body)
        self._door.fail("reject-lost", TIMED_OUT)
        invocation.set_aside.update(
            msgspec.json.decode(line, type=Reject).event_id for line in body.splitlines()
        )
        self._door.leave()

    def _get(self, bucket: str, key: str, *, patient: bool) -> Stored:
        self._door.enter()
        self._door.slow("get-slow", CALL_SECONDS * _GET_ATTEMPTS if patient else _IMPATIENT_SECONDS)
        self._door.fail("get-error", "InternalError")
        self._door.fail("get-denied", "AccessDenied", hopeless=True)
        self._door.leave()
        return self._buckets.get(bucket, key)


class _PutRecord(msgspec.Struct, frozen=True, rename="pascal"):
    data: bytes
    partition_key: str
    explicit_hash_key: str | None = None


class _PutRecords(msgspec.Struct, frozen=True, rename="pascal"):
    stream_name: str
    records: list[_PutRecord]


class SimulatedKinesis:
    """Implements `ride_scoring.ports.Streams`."""

    def __init__(self, door: Door, stream: Stream) -> None:
        self._door = door
        self._stream = stream

    def put_records(
        self, body: bytes, count: int, seconds: float = CALL_SECONDS
    ) -> list[str | None]:
        invocation = self._door.enter()
        call = msgspec.json.decode(body, type=_PutRecords)
        if call.stream_name != PREDICTIONS:
            raise AwsError(
                f"{call.stream_name} does not exist", "ResourceNotFoundException", hopeless=True
            )
        entries = [_entry(record) for record in call.records]
        if len(entries) != count:
            raise ValueError(f"a body of {len(entries)} records for {count}")
        self._stream.require_call(entries)
        events = [self._held(entry) for entry in entries]
        self._check_calls(invocation)
        self._wait(seconds)
        self._door.fail("put-throttled", *_THROTTLES)
        self._door.fail("put-error", "InternalFailure")
        self._door.fail("put-denied", *_DENIALS, hopeless=True)
        codes = [self._put(entry) for entry in entries]
        for held, code in zip(events, codes, strict=True):
            if code is None:
                invocation.versions.update(event.version for event in held)
        self._door.fail("put-lost", TIMED_OUT)
        self._door.leave()
        for held, code in zip(events, codes, strict=True):
            if code is None:
                invocation.taken.update(event.event_id for event in held)
        return codes

    def _held(self, entry: Entry) -> list[Prediction]:
        """The predictions in a record, each checked against its partition key."""
        predictions = []
        for key, data in contents(entry):
            prediction = _decoder.decode(data)
            predictions.append(prediction)
            where = f"{prediction.event_id} in invocation {self._door.now_running.number}"
            if prediction.event_id in self._door.now_running.taken:
                self._door.note("put again", where)
            if key != str(prediction.prediction.ride_id):
                self._door.note("wrong", f"the partition key of {where}")
        return predictions

    def _check_calls(self, invocation: Invocation) -> None:
        """Retries are spaced by waits, and a denied call is not retried."""
        invocation.puts += 1
        if invocation.puts > _MOST_PUTS or "put-denied" in invocation.causes:
            self._door.note("called too often", f"invocation {invocation.number}")

    def _put(self, entry: Entry) -> str | None:
        if rng := self._door.faults.strikes("put-half-failed"):
            self._door.now_running.causes.append("put-half-failed")
            return rng.choice([THROTTLED, "InternalFailure"])
        (taken,) = self._stream.put([entry])
        if isinstance(taken, Taken):
            return None
        self._door.now_running.causes.append(FULL)
        return taken

    def _wait(self, seconds: float) -> None:
        rng = self._door.faults.strikes("put-slow")
        if rng is None:
            return
        self._door.now_running.causes.append("put-slow")
        slow = rng.uniform(0.0, 2 * CALL_SECONDS)
        self._door.now_running.spend(min(slow, seconds))
        if slow > seconds:
            raise AwsError("put-slow was simulated", TIMED_OUT)


def _entry(record: _PutRecord) -> Entry:
    hash_key = record.explicit_hash_key
    return Entry(record.data, record.partition_key, None if hash_key is None else int(hash_key))


def contents(entry: Entry) -> list[tuple[str, bytes]]:
    """Partition key and data of a record, or of each user record it aggregates."""
    if not kpl.is_aggregated(entry.data):
        return [(entry.partition_key, entry.data)]
    return [(record.partition_key, record.data) for record in kpl.user_records(entry.data)]


_decoder: Final = msgspec.json.Decoder(Prediction)
