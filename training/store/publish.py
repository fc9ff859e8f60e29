"""Publishes a registered version to the model store, and points an alias to it.

Writes files first, then the manifest, then the pointer: readers never see a partial model, and an
interrupted publish is completed by running it again. Nothing is overwritten: of two concurrent
publishers, one is told that the other was first.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import yaml
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from infra.common.bucket import Bucket
from infra.common.console import UserError
from ride_scoring import domain
from ride_scoring.errors import UNREADABLE
from ride_scoring.models import compiled, model
from ride_scoring.models.files import Directory
from ride_scoring.models.store import Manifest, file_key, manifest_key
from training import answers
from training.registry import artifacts, model_directory, versions
from training.registry.model_directory import ModelDirectory
from training.store.bucket import store_bucket
from training.store.pointers import Pointer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CLAIM: Final = Path("MLmodel")
"""Written first: it names the run, so it differs between all versions of all registries."""


class Published(msgspec.Struct, frozen=True):
    """The pointer's new version, and the one that a rollback would return to."""

    name: str
    alias: str
    version: str
    previous: str | None
    bucket: str
    compiled: bool
    parity: str
    """How the compiled model compares with its source, or why there is none."""


def publish(
    client: MlflowClient,
    s3: "S3Client",
    bucket: str,
    name: str,
    alias: str,
    *,
    registered: ModelVersion | None = None,
    rides: Sequence[domain.Input] | None = None,
    constant: bool = False,
) -> Published:
    """Copies a version, by default the one with the registry's alias, and moves the store's pointer
    to it.

    `rides` are what a version is tried on, by default typical ones of the city; `constant` says
    that it is meant to predict one number for all. Raises `UserError` and leaves the pointer where
    it was.
    """
    registered = registered or versions.by_alias(client, name, alias)
    version = versions.number(registered)
    store = store_bucket(s3, bucket)
    pointer = Pointer(store, name, alias)
    with model_directory.opened(client, registered) as directory:
        manifest = _manifest_there(store, registered, directory)
        if manifest is None:
            tried = rides or answers.drawn()
            rows = _tried(client, registered, directory, tried, constant=constant)
            manifest = _write(client, store, registered, directory, rows)
        pointed = pointer.move(version, hashlib.sha256(manifest).hexdigest(), "publish")
        files = msgspec.json.decode(manifest, type=Manifest).files
        return Published(
            *(name, alias, version, pointed.previous, bucket),
            compiled=compiled.FILE in files,
            parity=directory.parity,
        )


def _tried(
    client: MlflowClient,
    registered: ModelVersion,
    directory: ModelDirectory,
    rides: Sequence[domain.Input],
    *,
    constant: bool,
) -> list[domain.GoldenRow]:
    """The golden rows that the version carries, or else ones that are made of the rides.

    Raises `UserError` where its predictions cannot be meant.
    """
    if not artifacts.carries(client, registered, artifacts.GOLDEN_ROWS):
        return answers.golden_rows(directory.path, rides, constant=constant)
    if directory.compiled:  # it was compared with its source when it was made
        minutes = model.load(Directory(directory.path)).predict(rides, [0.0] * len(rides))
        answers.require_plausible(minutes.tolist(), rides, constant=constant)
    else:
        answers.golden_rows(directory.path, rides, constant=constant)
    return artifacts.golden_rows(registered)


def _manifest_there(
    store: Bucket, registered: ModelVersion, directory: ModelDirectory
) -> bytes | None:
    """The manifest, if the version is published already. Published versions never change: functions
    may serve them, and rollbacks need them."""
    key = manifest_key(registered.name, versions.number(registered))
    there = store.get(key)
    if there is None:
        return None
    try:
        run_id = msgspec.json.decode(there.body, type=Manifest).run_id
    except UNREADABLE as error:
        raise UserError(
            f"s3://{store.name}/{key} is damaged, and versions are never overwritten: delete it, "
            f"then publish again ({error})"
        ) from error
    if run_id != _run_id(registered, directory):
        raise UserError(_other(store, key))
    return there.body


def _write(
    client: MlflowClient,
    store: Bucket,
    registered: ModelVersion,
    directory: ModelDirectory,
    rows: list[domain.GoldenRow],
) -> bytes:
    """Writes the files, then the manifest; returns the manifest's bytes."""
    name, version = registered.name, versions.number(registered)
    manifest = msgspec.json.encode(_manifest(client, registered, directory, rows))
    for path in [_CLAIM, *(path for path in directory.files() if path != _CLAIM)]:
        body = (directory.path / path).read_bytes()
        _create(store, file_key(name, version, path.as_posix()), body)
    _create(store, manifest_key(name, version), manifest)
    return manifest


def _create(store: Bucket, key: str, body: bytes) -> None:
    """Writes an object; one with the same content, from an interrupted or concurrent publish, is
    fine."""
    if store.write(key, body) is None:
        raise UserError(_other(store, key))


def _other(store: Bucket, key: str) -> str:
    return (
        f"s3://{store.name}/{key} is another model's, most likely of another registry: publish "
        "from that one, or train under another --name"
    )


def _manifest(
    client: MlflowClient,
    registered: ModelVersion,
    directory: ModelDirectory,
    rows: list[domain.GoldenRow],
) -> Manifest:
    description = yaml.safe_load((directory.path / "MLmodel").read_bytes())
    return Manifest(
        name=registered.name,
        version=versions.number(registered),
        run_id=_run_id(registered, directory),
        metrics=dict(client.get_run(registered.run_id).data.metrics) if registered.run_id else {},
        signature=msgspec.Raw(json.dumps(description.get("signature")).encode()),
        files={
            path.as_posix(): hashlib.sha256((directory.path / path).read_bytes()).hexdigest()
            for path in directory.files()
        },
        golden_rows=rows,
    )


def _run_id(registered: ModelVersion, directory: ModelDirectory) -> str:
    """The version's run; of one that was registered from files alone, its MLmodel's digest, which
    tells it from another registry's version of the same number."""
    if registered.run_id:
        return str(registered.run_id)
    return f"files-{hashlib.sha256((directory.path / _CLAIM).read_bytes()).hexdigest()[:32]}"
