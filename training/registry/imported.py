"""A registered version of whatever holds an MLflow model: a version, a run, files anywhere."""

import contextlib
import hashlib
import io
import re
import tempfile
from pathlib import Path
from typing import Final

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from infra.common.console import UserError
from training.registry import versions

_REGISTERED: Final = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<number>\d+)|@(?P<alias>[^/@]+))")
_LOGGED: Final = re.compile(r"models:/m-[0-9a-f]+")
_OF_MLFLOW: Final = ("runs:/", "models:/")
_ELSEWHERE: Final = (*_OF_MLFLOW, "s3://")
_DIGEST_TAG: Final = "files_sha256"
"""Tells whether files are registered already."""
_FOLDER: Final = "model"


def version_of(client: MlflowClient, model: str, name: str) -> ModelVersion:
    """The version that `model` names, or a new one of the model `name` that holds its files.

    `model` is `models:/name/version`, `models:/name@alias`, `models:/m-id`, `runs:/run/path`, a
    folder or an `s3://` address of an MLflow model. The same files are registered
    once. Raises `UserError`.
    """
    if found := _REGISTERED.fullmatch(model):
        return versions.chosen(client, found["name"], found["number"] or found["alias"])
    if model.startswith("models:/") and not _LOGGED.fullmatch(model):
        raise UserError(f"{model} names no version: say models:/NAME/VERSION or models:/NAME@ALIAS")
    with tempfile.TemporaryDirectory() as folder:
        directory = _downloaded(model, Path(folder))
        digest = _digest(directory)
        there = versions.tagged(client, name, _DIGEST_TAG, digest)
        return there or _registered(client, model, name, directory, digest)


def _downloaded(model: str, folder: Path) -> Path:
    if not model.startswith(_ELSEWHERE) and not Path(model).is_dir():
        raise UserError(
            f"{model} is no folder: name one that holds an MLflow model, or models:/NAME/VERSION, "
            "models:/NAME@ALIAS, runs:/RUN/PATH or s3://BUCKET/PREFIX"
        )
    try:
        directory = Path(
            mlflow.artifacts.download_artifacts(artifact_uri=model, dst_path=str(folder))
        )
    except Exception as error:  # each store fails in its own way
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{model} cannot be read: {said[0]:.300}") from error
    if not (directory / "MLmodel").is_file():
        raise UserError(f"{model} is not an MLflow model: it has no MLmodel file")
    return directory


def _digest(directory: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        body = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(directory).as_posix()} {body}\n".encode())
    return found.hexdigest()


def _registered(
    client: MlflowClient, model: str, name: str, directory: Path, digest: str
) -> ModelVersion:
    """Files get a run of their own, which keeps them; a model of MLflow's stays where it is."""
    tags = {_DIGEST_TAG: digest, "source": model}
    versions.require_names(name, "imported")
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # MLflow reports each step there
            if not model.startswith(_OF_MLFLOW):
                with mlflow.start_run(run_name=name) as run:
                    mlflow.log_artifacts(str(directory), _FOLDER)
                model = f"runs:/{run.info.run_id}/{_FOLDER}"
            made = mlflow.register_model(model, name, tags=tags)
        return versions.by_number(client, name, str(made.version))
    except MlflowException as error:
        raise UserError(f"{model} cannot be registered: {error.message}") from error
