"""The model store in S3: its layout, and how the function reads it.

    models/<name>/versions/<version>/…     an MLflow model directory as MLflow wrote it
    models/<name>/versions/<version>.json  its manifest
    models/<name>/aliases/<alias>.json     the pointer to the version that serves

A publisher writes the files first, then the manifest, and the pointer last, so a reader that
follows a pointer always finds a complete model. Each step is checked against a digest.
"""

import hashlib
import shutil
import tempfile
import weakref
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from ride_scoring.domain import UNIT, GoldenRow
from ride_scoring.errors import UNREADABLE, AwsError, ModelRefused, ModelUnavailable
from ride_scoring.models import model
from ride_scoring.models.files import COPY_PREFIX, inside
from ride_scoring.ports import Objects, StoredObject

GOLDEN_TOLERANCE: Final = 1e-6
"""For golden rows, in the unit of a prediction: float64 sums differ between machines, but never by
this much."""


class Manifest(msgspec.Struct, frozen=True):
    """The contents of a version. `files` maps each path in the model directory to its SHA-256."""

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


class ModelStore:
    """One model's versions and aliases in a bucket, as the function reads them."""

    def __init__(self, s3: Objects, bucket: str, name: str) -> None:
        self.name = name
        self._s3 = s3
        self._bucket = bucket

    def pointer(
        self, alias: str, *, unless_etag: str | None = None, patient: bool = True
    ) -> StoredObject | None:
        """The pointer's bytes, or None where they are still those of `unless_etag`.

        Raises `ModelUnavailable`.
        """
        key = pointer_key(self.name, alias)
        hint = f": publish it with `python -m training publish --name {self.name} --alias {alias}`"
        return self._get(key, unless_etag=unless_etag, patient=patient, hint=hint)

    def load(
        self, pointer: AliasPointer, *, allow_pickle: bool
    ) -> tuple[Manifest, model.LoadedModel]:
        """The version that a pointer names, each file checked against its digest, and the model
        against the golden rows. Raises `ModelRefused` or `ModelUnavailable`.
        """
        _require_plain(pointer.version)
        manifest = self._manifest(pointer)
        if (manifest.name, manifest.version) != (self.name, pointer.version):
            raise ModelRefused(
                f"the manifest of {self.name} version {pointer.version} says that it is of "
                f"{manifest.name} version {manifest.version}"
            )
        loaded = model.load(_VersionFiles(self, manifest), allow_pickle=allow_pickle)
        _check_golden_rows(loaded, manifest)
        return manifest, loaded

    def file(self, manifest: Manifest, path: str) -> bytes:
        """One file of a version, checked against its digest."""
        key = file_key(self.name, manifest.version, path)
        return self._checked(key, manifest.files[path])

    def _manifest(self, pointer: AliasPointer) -> Manifest:
        body = self._checked(manifest_key(self.name, pointer.version), pointer.manifest_sha256)
        return _decode(body, Manifest, f"the manifest of version {pointer.version}")

    def _checked(self, key: str, sha256: str) -> bytes:
        found = self._get(key)
        body = found.body if found else b""
        actual = hashlib.sha256(body).hexdigest()
        if actual != sha256:
            raise ModelRefused(
                f"s3://{self._bucket}/{key} has the SHA-256 {actual}; published was {sha256}"
            )
        return body

    def _get(
        self, key: str, *, unless_etag: str | None = None, patient: bool = True, hint: str = ""
    ) -> StoredObject | None:
        location = f"s3://{self._bucket}/{key}"
        try:
            return self._s3.get(self._bucket, key, unless_etag=unless_etag, patient=patient)
        except AwsError as error:
            # S3 answers AccessDenied for a missing key to a role that may not list the bucket.
            if error.code in {"NoSuchKey", "NoSuchBucket", "AccessDenied"}:
                raise ModelUnavailable(
                    f"no model is published at {location}, or the role may not read it{hint}"
                ) from error
            raise ModelUnavailable(f"{location} cannot be read: {error}") from error


class _VersionFiles:
    """A version's files: what the manifest lists, each checked against its digest."""

    def __init__(self, store: ModelStore, manifest: Manifest) -> None:
        self._store = store
        self._manifest = manifest

    def find(self, path: str) -> bytes | None:
        inside(path)
        return self._store.file(self._manifest, path) if path in self._manifest.files else None

    def sha256(self, path: str) -> str | None:
        return self._manifest.files.get(path)

    def mlflow_location(self) -> str:
        """A copy on disk that lives as long as this object, as a model may read it later."""
        directory = Path(tempfile.mkdtemp(prefix=COPY_PREFIX))
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        for path in self._manifest.files:
            target, content = directory / inside(path), self._store.file(self._manifest, path)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise ModelRefused(f"{path} is listed as a file and as a folder") from error
        return str(directory)


def decode_pointer(content: bytes) -> AliasPointer:
    """Raises `ModelRefused` where it is none."""
    return _decode(content, AliasPointer, "the alias's pointer")


def _decode[T](content: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except UNREADABLE as error:
        raise ModelRefused(f"{name} is damaged: {error}") from error


def _require_plain(version: str) -> None:
    """A version is one path segment: HTTP clients resolve `..`, and would request another key."""
    if version in {"", ".", ".."} or "/" in version:
        raise ModelRefused(
            f"the alias's pointer names version {version!r}: it must be a single path segment"
        )


def _check_golden_rows(loaded: model.LoadedModel, manifest: Manifest) -> None:
    if not (rows := manifest.golden_rows):
        return
    try:
        predicted = loaded.predict([row.input for row in rows], [0.0] * len(rows))
    except Exception as error:  # whatever it is, such a model cannot serve
        raise ModelRefused(f"version {manifest.version} fails on a golden row: {error}") from error
    for row, actual in zip(rows, predicted, strict=True):
        if not abs(actual - row.predicted) <= GOLDEN_TOLERANCE:
            raise ModelRefused(
                f"version {manifest.version} gives {actual} {UNIT} for a golden row, "
                f"where {row.predicted} was published"
            )
