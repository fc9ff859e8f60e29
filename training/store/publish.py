"""A registered version in, a version in the model store out, and a pointer that names it.

Files first, the manifest next, the pointer last: a reader never finds half a model, and a publish
that was cut short is repeated by running it again. Nothing is written over: of two publishers at
once, one is told that the other was first.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import yaml
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from infra.common.bucket import Bucket
from infra.common.console import UserError
from ride_scoring.errors import UNREADABLE
from ride_scoring.models import compiled
from ride_scoring.models.store import Manifest, file_key, manifest_key
from training.registry import artifacts, model_directory, versions
from training.registry.model_directory import ModelDirectory
from training.store.bucket import store_bucket
from training.store.pointers import Pointer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CLAIM: Final = Path("MLmodel")
"""It names the run, so it is another file in every version of every registry: it goes first."""


class Published(msgspec.Struct, frozen=True):
    """What a pointer names now, and what it goes back to."""

    name: str
    alias: str
    version: str
    previous: str | None
    bucket: str
    compiled: bool
    parity: str
    """How the compiled model compares with its source, or why there is none."""


def publish(client: MlflowClient, s3: "S3Client", bucket: str, name: str, alias: str) -> Published:
    """Copies the version that the registry's alias names, and moves the store's pointer to it.

    Raises `UserError`, the pointer then being where it was.
    """
    registered = versions.by_alias(client, name, alias)
    version = versions.number(registered)
    store = store_bucket(s3, bucket)
    pointer = Pointer(store, name, alias)
    with model_directory.opened(client, registered) as directory:
        manifest = _manifest_there(store, registered)
        if manifest is None:
            manifest = _write(client, store, registered, directory)
        pointed = pointer.move(version, hashlib.sha256(manifest).hexdigest(), "publish")
        files = msgspec.json.decode(manifest, type=Manifest).files
        return Published(
            *(name, alias, version, pointed.previous, bucket),
            compiled=compiled.FILE in files,
            parity=directory.parity,
        )


def _manifest_there(store: Bucket, registered: ModelVersion) -> bytes | None:
    """A version is published once and stays: functions may serve it, and a rollback may want it."""
    key = manifest_key(registered.name, versions.number(registered))
    there = store.get(key)
    if there is None:
        return None
    try:
        run_id = msgspec.json.decode(there.body, type=Manifest).run_id
    except UNREADABLE as error:
        raise UserError(
            f"s3://{store.name}/{key} is damaged, and a version is never written anew: delete it, "
            f"and publish again ({error})"
        ) from error
    if run_id != registered.run_id:
        raise UserError(_other(store, key))
    return there.body


def _write(
    client: MlflowClient, store: Bucket, registered: ModelVersion, directory: ModelDirectory
) -> bytes:
    """The files and the manifest; its bytes."""
    name, version = registered.name, versions.number(registered)
    manifest = msgspec.json.encode(_manifest(client, registered, directory))
    for path in [_CLAIM, *(path for path in directory.files() if path != _CLAIM)]:
        body = (directory.path / path).read_bytes()
        _create(store, file_key(name, version, path.as_posix()), body)
    _create(store, manifest_key(name, version), manifest)
    return manifest


def _create(store: Bucket, key: str, body: bytes) -> None:
    """Writes it, or finds it as it is to be: of a publish that was cut short, or of one beside."""
    if store.write(key, body) is None:
        raise UserError(_other(store, key))


def _other(store: Bucket, key: str) -> str:
    return (
        f"s3://{store.name}/{key} is another model's, most likely of another registry: publish "
        "from that one, or train under another --name"
    )


def _manifest(
    client: MlflowClient, registered: ModelVersion, directory: ModelDirectory
) -> Manifest:
    description = yaml.safe_load((directory.path / "MLmodel").read_bytes())
    return Manifest(
        name=registered.name,
        version=versions.number(registered),
        run_id=str(registered.run_id),
        metrics=dict(client.get_run(str(registered.run_id)).data.metrics),
        signature=msgspec.Raw(json.dumps(description.get("signature")).encode()),
        files={
            path.as_posix(): hashlib.sha256((directory.path / path).read_bytes()).hexdigest()
            for path in directory.files()
        },
        golden_rows=artifacts.golden_rows(registered),
    )
