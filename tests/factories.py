"""Small builders of what the tests are about, and fakes that behave."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ride_scoring.aws import StoredObject
from ride_scoring.domain.events import Ride
from ride_scoring.errors import AwsError, StoreUnavailable
from ride_scoring.models.served import ServedModel
from ride_scoring.streams.records import KinesisRecord, OutputRecord, Put, Reject

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NOW = datetime(2023, 1, 14, 13, 31, 5, tzinfo=UTC)
ARRIVED_AT = 1_673_703_060.5


def shared(name: str) -> Path:
    """A file of the data beside the project; the test is skipped where it is missing."""
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"{path} does not exist: it is not part of the project")
    return path


def event_json(**changes: Any) -> bytes:
    """A valid event; a change to None leaves the field out."""
    ride = {
        "PULocationID": 130,
        "DOLocationID": 205,
        "trip_distance": 3.66,
        "pickup_datetime": "2023-01-14T08:31:00",
    }
    event: dict[str, Any] = {"ride_id": 156}
    for name, value in changes.items():
        target = event if name in {"ride_id", "schema_version"} else ride
        target[name] = value
    ride = {name: value for name, value in ride.items() if value is not None}
    return json.dumps(
        {name: v for name, v in event.items() if v is not None} | {"ride": ride}
    ).encode()


def record(data: bytes | None = None, sequence_number: int = 1, key: str = "156") -> KinesisRecord:
    return KinesisRecord(
        event_id=f"shardId-000000000000:{sequence_number}",
        sequence_number=str(sequence_number),
        partition_key=key,
        arrived_at=ARRIVED_AT,
        data_base64=base64.b64encode(event_json() if data is None else data).decode(),
    )


def records(*data: bytes) -> list[KinesisRecord]:
    return [record(item, number) for number, item in enumerate(data, start=1)]


class MinutesModel:
    """Gives each ride its distance in minutes, or what `minutes` says."""

    def __init__(self, minutes: Callable[[Ride], float] = lambda ride: ride.trip_distance) -> None:
        self._minutes = minutes
        self.calls: list[int] = []

    def predict(self, rides: Sequence[Ride], _: Sequence[float]) -> NDArray[np.float64]:
        self.calls.append(len(rides))
        return np.array([self._minutes(ride) for ride in rides], dtype=np.float64)


def served(predictor: MinutesModel | None = None) -> ServedModel:
    return ServedModel("ride-duration", "3", "run-7", "champion", predictor or MinutesModel())


class FakeModels:
    """Gives a model, or raises what it is told to."""

    def __init__(self, model: ServedModel | None = None, error: Exception | None = None) -> None:
        self._model = model or served()
        self._error = error

    def current(self) -> ServedModel:
        if self._error:
            raise self._error
        return self._model


class FakeSink:
    """Takes the first `capacity` predictions and no more."""

    def __init__(self, capacity: int = 1_000_000) -> None:
        self.capacity = capacity
        self.taken: list[OutputRecord] = []

    def put(self, outputs: Sequence[OutputRecord], _: Callable[[], float]) -> Put:
        self.taken += outputs[: self.capacity]
        failure = "the stream is full" if len(outputs) > self.capacity else None
        return Put(min(len(outputs), self.capacity), failure=failure)


class FakeRejects:
    """Keeps rejects, or is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.objects: list[list[Reject]] = []

    def put(self, rejects: Sequence[Reject]) -> None:
        if self.away:
            raise StoreUnavailable("S3 is away")
        self.objects.append(list(rejects))


class MemoryS3:
    """Buckets in memory, or away."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.asked: list[str] = []
        self.not_modified = 0
        self.impatient = 0
        self.away: AwsError | None = None

    def get(
        self, bucket: str, key: str, *, unless_etag: str | None = None, patient: bool = True
    ) -> StoredObject | None:
        self.impatient += not patient
        self.asked.append(key)
        if self.away is not None:
            raise self.away
        if (bucket, key) not in self.objects:
            raise AwsError(f"NoSuchKey: s3://{bucket}/{key}", "NoSuchKey")
        body = self.objects[bucket, key]
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        if etag == unless_etag:
            self.not_modified += 1
            return None
        return StoredObject(body, etag)

    def put(self, bucket: str, key: str, body: bytes, _content_type: str) -> None:
        if self.away is not None:
            raise self.away
        self.objects[bucket, key] = body


def kinesis_event(*data: bytes) -> dict[str, Any]:
    """What Lambda calls the function with."""
    return {
        "Records": [
            {
                "eventID": f"shardId-000000000000:{number}",
                "kinesis": {
                    "partitionKey": "very-private",
                    "sequenceNumber": str(number),
                    "approximateArrivalTimestamp": ARRIVED_AT,
                    "data": base64.b64encode(item).decode(),
                },
            }
            for number, item in enumerate(data, start=1)
        ]
    }
