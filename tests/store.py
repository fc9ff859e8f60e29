"""A publisher of small models, for tests that move aliases: in memory, on moto, on LocalStack."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ride_scoring.domain.events import GoldenRow, Ride
from ride_scoring.models import store
from ride_scoring.models.store import AliasPointer, Manifest
from ride_scoring.ports import Objects
from tests.factories import NOW
from tests.models import compiled_directory

GOLDEN_RIDE = Ride(130, 205, 3.0)
Change = Callable[[dict[str, Any]], None]


class Publisher:
    """Writes versions of one model into a bucket, and points its aliases at them."""

    def __init__(self, s3: Objects, bucket: str = "models", name: str = "ride-duration") -> None:
        self._s3 = s3
        self._bucket = bucket
        self._name = name
        self._manifests: dict[str, str] = {}

    def publish(
        self,
        version: str,
        minutes_a_mile: float,
        *,
        alias: str = "champion",
        files: Mapping[str, bytes] | None = None,
        change: Change | None = None,
    ) -> None:
        """A version whose predictions tell which it is. `change` makes its manifest lie, and
        `files` are others than those of a model that is in order, with no golden rows.
        """
        golden_rows = [GoldenRow(GOLDEN_RIDE, GOLDEN_RIDE.trip_distance * minutes_a_mile)]
        held = compiled_directory(minutes_a_mile) if files is None else files
        whole = Manifest(
            name=self._name,
            version=version,
            run_id=f"run-{version}",
            metrics={},
            signature=msgspec.Raw(b"null"),
            files={path: hashlib.sha256(body).hexdigest() for path, body in held.items()},
            golden_rows=golden_rows if files is None else [],
        )
        manifest: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole))
        if change is not None:
            change(manifest)
        for path, body in held.items():
            self.put(store.file_key(self._name, version, path), body)
        body = msgspec.json.encode(manifest)
        self.put(store.manifest_key(self._name, version), body)
        self._manifests[version] = hashlib.sha256(body).hexdigest()
        self.point(alias, version)

    def point(self, alias: str, version: str) -> None:
        pointer = AliasPointer(version, self._manifests[version], None, NOW)
        self.put(store.pointer_key(self._name, alias), msgspec.json.encode(pointer))

    def put(self, key: str, body: bytes) -> None:
        self._s3.put(self._bucket, key, body, "application/octet-stream")
