"""The model store in S3: where a published model lies, and how the function reads it.

    models/<name>/versions/<version>/…     an MLflow model directory as MLflow wrote it
    models/<name>/versions/<version>.json  its manifest
    models/<name>/aliases/<alias>.json     the pointer to the version that serves

Who publishes writes the files first, the manifest next and the pointer last, so that a reader who
follows a pointer always finds a whole model; every step of the way is checked against a digest.
"""

import hashlib
import shutil
import tempfile
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ride_scoring import model
from ride_scoring.errors import ModelRefused, ModelUnavailable
from ride_scoring.events import Ride
from ride_scoring.predictions import ServedModel

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GOLDEN_TOLERANCE_MINUTES: Final = 1e-6
"""How far a golden row may be off: float64 sums differ by machine, never by this much."""


class GoldenRow(msgspec.Struct, frozen=True):
    """A ride and the minutes that the model gave for it when it was published."""

    ride: Ride
    ride_duration: float


class Manifest(msgspec.Struct, frozen=True):
    """What a version consists of. `files` maps each path in the model directory to its SHA-256."""

    name: str
    version: str
    run_id: str
    metrics: dict[str, float]
    signature: msgspec.Raw
    files: dict[str, str]
    golden_rows: list[GoldenRow]


class AliasPointer(msgspec.Struct, frozen=True):
    """Which version an alias names. `previous` is the version it named before, if any."""

    version: str
    manifest_sha256: str
    previous: str | None
    updated_at: datetime


def pointer_key(name: str, alias: str) -> str:
    return f"models/{name}/aliases/{alias}.json"


def manifest_key(name: str, version: str) -> str:
    return f"models/{name}/versions/{version}.json"


def file_key(name: str, version: str, path: str) -> str:
    return f"models/{name}/versions/{version}/{path}"


class AliasedModel:
    """The model that an alias names, read from the store when it is first asked for."""

    def __init__(self, s3: "S3Client", bucket: str, name: str, alias: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._name = name
        self._alias = alias
        self._served: ServedModel | None = None

    def current(self) -> ServedModel:
        """The model to score with. Raises `ModelUnavailable` or `ModelRefused`."""
        if self._served is None:
            self._served = self._load()
        return self._served

    def _load(self) -> ServedModel:
        manifest = self._manifest(self._pointer())
        directory = Path(tempfile.mkdtemp(prefix="model-"))
        try:
            self._fetch(manifest, directory)
            loaded = model.load(directory)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        _check_golden_rows(loaded, manifest)
        return ServedModel(
            name=self._name,
            version=manifest.version,
            run_id=manifest.run_id,
            role=self._alias,
            predictor=loaded,
        )

    def _pointer(self) -> AliasPointer:
        key = pointer_key(self._name, self._alias)
        try:
            return msgspec.json.decode(self._get(key), type=AliasPointer)
        except msgspec.DecodeError as error:
            raise ModelRefused(
                f"the pointer s3://{self._bucket}/{key} is damaged: {error}"
            ) from error

    def _manifest(self, pointer: AliasPointer) -> Manifest:
        key = manifest_key(self._name, pointer.version)
        body = self._get(key)
        _require_digest(body, pointer.manifest_sha256, f"s3://{self._bucket}/{key}")
        try:
            return msgspec.json.decode(body, type=Manifest)
        except msgspec.DecodeError as error:
            raise ModelRefused(
                f"the manifest s3://{self._bucket}/{key} is damaged: {error}"
            ) from error

    def _fetch(self, manifest: Manifest, directory: Path) -> None:
        for path, sha256 in manifest.files.items():
            target = directory / _inside(path)
            body = self._get(key := file_key(self._name, manifest.version, path))
            _require_digest(body, sha256, f"s3://{self._bucket}/{key}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)

    def _get(self, key: str) -> bytes:
        location = f"s3://{self._bucket}/{key}"
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            # S3 answers AccessDenied for a missing key to a role that may not list the bucket.
            if error.response["Error"]["Code"] in {"NoSuchKey", "NoSuchBucket", "AccessDenied"}:
                raise ModelUnavailable(
                    f"no model is published at {location}, or the role may not read it: publish it "
                    f"with `python -m training publish --alias {self._alias}`"
                ) from error
            raise ModelUnavailable(f"{location} cannot be read: {error}") from error
        except BotoCoreError as error:
            raise ModelUnavailable(f"{location} cannot be read: {error}") from error


def _inside(path: str) -> PurePosixPath:
    """The path, where it stays inside the model directory. Raises `ModelRefused`."""
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts:
        raise ModelRefused(f"the manifest names the file {path!r}, outside the model directory")
    return relative


def _require_digest(body: bytes, sha256: str, location: str) -> None:
    actual = hashlib.sha256(body).hexdigest()
    if actual != sha256:
        raise ModelRefused(f"{location} has the SHA-256 {actual}, where {sha256} was published")


def _check_golden_rows(loaded: model.RideModel, manifest: Manifest) -> None:
    if not (rows := manifest.golden_rows):
        return
    try:
        minutes = loaded.predict([row.ride for row in rows], [0.0] * len(rows))
    except Exception as error:  # whatever it is, such a model cannot serve
        raise ModelRefused(f"version {manifest.version} fails on a golden row: {error}") from error
    for row, actual in zip(rows, minutes, strict=True):
        if not abs(actual - row.ride_duration) <= GOLDEN_TOLERANCE_MINUTES:
            raise ModelRefused(
                f"version {manifest.version} gives {actual} minutes for a golden row, "
                f"where {row.ride_duration} was published"
            )
