"""A registered version in, a version in the model store out, and a pointer that names it.

Files first, the manifest next, the pointer last: a reader never finds half a model, and a publish
that was cut short is repeated by running it again.
"""

import hashlib
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import mlflow
import msgspec
import yaml
from botocore.exceptions import ClientError
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from infra.console import UserError
from ride_scoring import compiled, features, mlmodel
from ride_scoring.model_files import Directory
from ride_scoring.model_store import (
    AliasPointer,
    GoldenRow,
    Manifest,
    file_key,
    manifest_key,
    pointer_key,
)
from training.compiler import NotCompilable, compile_checked
from training.train import GOLDEN_ROWS_FILE

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


PARITY_FILE: Final = "compiled_parity.json"
"""The whole report, beside the compiled model."""


class Published(msgspec.Struct, frozen=True):
    """What a pointer names now, and what it named before."""

    name: str
    alias: str
    version: str
    previous: str | None
    bucket: str
    compiled: bool
    parity: str
    """How the compiled model compares with its source, or why there is none."""


def publish(client: MlflowClient, s3: "S3Client", bucket: str, name: str, alias: str) -> Published:
    """Copies the version that the registry's alias names, and moves the store's pointer to it."""
    registered = _aliased_version(client, name, alias)
    version = str(registered.version)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(
            mlflow.artifacts.download_artifacts(f"models:/{name}/{version}", dst_path=folder)
        )
        _drop_registry_stamp(directory)
        is_compiled, parity = _compile(directory)
        manifest = msgspec.json.encode(_manifest(client, registered, directory))
        _require_same(manifest, s3, bucket, manifest_key(name, version))
        for path in _files(directory):
            key = file_key(name, version, path.relative_to(directory).as_posix())
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    s3.put_object(Bucket=bucket, Key=manifest_key(name, version), Body=manifest)
    previous = _previous(_get(s3, bucket, pointer_key(name, alias)), version)
    pointer = AliasPointer(
        version=version,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        previous=previous,
        updated_at=datetime.now(UTC),
    )
    s3.put_object(Bucket=bucket, Key=pointer_key(name, alias), Body=msgspec.json.encode(pointer))
    return Published(name, alias, version, previous, bucket, is_compiled, parity)


def _compile(directory: Path) -> tuple[bool, str]:
    """Adds the compiled model and its parity report to the directory, where it can be compiled."""
    files = Directory(directory)
    description = mlmodel.read(files)
    names = description.feature_names
    features.require_known(names or ())
    if not description.is_plain_sklearn:
        return False, "it has more to it than a scikit-learn estimator's predict"
    if description.single_columns:
        return False, "its signature asks for single precision, where a compiled model has double"
    sources = ("MLmodel", str(description.flavors["sklearn"]["pickled_model"]))
    estimator = mlflow.sklearn.load_model(str(directory))
    try:
        content, report = compile_checked(
            estimator, names, {path: str(files.sha256(path)) for path in sources}
        )
    except NotCompilable as error:
        return False, str(error)
    (directory / compiled.FILE).write_bytes(content)
    (directory / PARITY_FILE).write_bytes(
        msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    )
    return True, (
        f"differs from its source by at most {report.largest_difference_minutes:.1g} minutes over "
        f"{report.rides:,} rides"
    )


def _aliased_version(client: MlflowClient, name: str, alias: str) -> ModelVersion:
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise UserError(
                f"the registry does not answer as it should: {error.message}"
            ) from error
        raise UserError(
            f"the registry has no alias {alias!r} of a model {name!r}: train one with "
            f"`python -m training train --name {name} --alias {alias}`"
        ) from error


def _manifest(client: MlflowClient, registered: ModelVersion, directory: Path) -> Manifest:
    run = client.get_run(str(registered.run_id))
    description = yaml.safe_load((directory / "MLmodel").read_text())
    return Manifest(
        name=registered.name,
        version=str(registered.version),  # a number in MLflow, whatever its types say
        run_id=run.info.run_id,
        metrics=dict(run.data.metrics),
        signature=msgspec.Raw(json.dumps(description.get("signature")).encode()),
        files={
            path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in _files(directory)
        },
        golden_rows=_golden_rows(run.info.run_id),
    )


def _golden_rows(run_id: str) -> list[GoldenRow]:
    try:
        text = mlflow.artifacts.load_text(f"runs:/{run_id}/{GOLDEN_ROWS_FILE}")
    except MlflowException as error:
        raise UserError(
            f"run {run_id} has no {GOLDEN_ROWS_FILE}: publish a version that "
            "`python -m training train` registered"
        ) from error
    return msgspec.json.decode(text, type=list[GoldenRow])


def _drop_registry_stamp(directory: Path) -> None:
    """MLflow's download adds a file with the time of the download, which is not of the model."""
    (directory / "registered_model_meta").unlink(missing_ok=True)


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _require_same(manifest: bytes, s3: "S3Client", bucket: str, key: str) -> None:
    """A version is published once and stays: functions may serve it, and a rollback may want it."""
    there = _get(s3, bucket, key)
    if there is not None and there != manifest:
        raise UserError(
            f"s3://{bucket}/{key} is another model, most likely of another registry: publish from "
            "that one, or train under another --name"
        )


def _get(s3: "S3Client", bucket: str, key: str) -> bytes | None:
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise


def _previous(before: bytes | None, version: str) -> str | None:
    """What to go back to. Publishing the same version again must not make it its own past."""
    try:
        pointer = msgspec.json.decode(before or b"", type=AliasPointer)
    except msgspec.DecodeError:
        return None  # none is there, or a damaged one, which serves nobody and is now mended
    return pointer.previous if pointer.version == version else pointer.version
