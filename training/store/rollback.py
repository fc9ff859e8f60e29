"""Rolls an alias back to its previous version: first in the store, then in the registry."""

import hashlib
from typing import TYPE_CHECKING

import msgspec
from mlflow import MlflowClient

from infra.common.bucket import Bucket
from infra.common.console import UserError
from ride_scoring.errors import UNREADABLE
from ride_scoring.models.store import Manifest, manifest_key
from training.registry import versions
from training.store.bucket import store_bucket
from training.store.pointers import Pointer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class RolledBack(msgspec.Struct, frozen=True):
    """`run_id` is that of the version now serving, `previous` the target of a further rollback."""

    name: str
    alias: str
    rolled_back: str
    version: str
    run_id: str
    previous: str | None
    bucket: str


def roll_back(s3: "S3Client", bucket: str, name: str, alias: str) -> RolledBack:
    """Moves the store's pointer to its previous version. Raises `UserError`."""
    store = store_bucket(s3, bucket)
    pointer = Pointer(store, name, alias)
    if pointer.named is None:
        raise UserError(
            f"s3://{bucket}/{pointer.key} names no version: `python -m training publish` does"
        )
    version = pointer.named.previous
    if version is None:
        raise UserError(
            f"version {pointer.named.version} is the first that {alias} named in s3://{bucket}: "
            "there is nothing to go back to"
        )
    sha256, run_id = _manifest(store, name, version)
    moved = pointer.move(version, sha256, "rollback")
    return RolledBack(name, alias, pointer.named.version, version, run_id, moved.previous, bucket)


def follow(client: MlflowClient, rolled_back: RolledBack) -> None:
    """Moves the registry's alias too, so that the next publish does not undo the rollback.

    Raises `UserError` if the registry does not match the store.
    """
    version = versions.by_number(client, rolled_back.name, rolled_back.version)
    if version.run_id != rolled_back.run_id:
        raise UserError(
            f"this registry's version {rolled_back.version} of {rolled_back.name} is another model,"
            f" of run {version.run_id} and not {rolled_back.run_id}: set MLFLOW_TRACKING_URI to the"
            " registry that it was published from"
        )
    versions.move_alias(
        client,
        version,
        rolled_back.alias,
        "rollback",
        f"back from version {rolled_back.rolled_back}",
    )


def _manifest(store: Bucket, name: str, version: str) -> tuple[str, str]:
    """Digest and run of the version's manifest in the store, after validating it."""
    key = manifest_key(name, version)
    there = store.get(key)
    if there is None:
        raise UserError(f"s3://{store.name}/{key} is gone: version {version} cannot serve again")
    try:
        manifest = msgspec.json.decode(there.body, type=Manifest)
    except UNREADABLE as error:
        raise UserError(f"s3://{store.name}/{key} is damaged: {error}") from error
    if (manifest.name, manifest.version) != (name, version):
        raise UserError(f"s3://{store.name}/{key} is of another model or version")
    return hashlib.sha256(there.body).hexdigest(), manifest.run_id
