"""The directory to publish for a registered version: MLflow's own plus the compiled model.

A version is compiled once. The file that passed the parity check and the promotion gates is stored
with the version, and published byte for byte.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import mlflow
import msgspec
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from infra.common.console import UserError
from ride_scoring import domain
from ride_scoring.errors import ModelRefused
from ride_scoring.models import compiled, fitted_on, mlmodel, sklearn_flavor
from ride_scoring.models.files import Directory
from training.answers import pickles_are_allowed
from training.compiler import NotCompilable, compile_checked
from training.registry import artifacts

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

PARITY_FILE: Final = "compiled_parity.json"
"""The full report, beside the compiled model."""


@dataclass(frozen=True)
class ModelDirectory:
    """`parity`: how the compiled model compares with its source, or why there is none."""

    path: Path
    compiled: bool
    parity: str

    def files(self) -> list[Path]:
        """All files, relative to the directory."""
        found = (path.relative_to(self.path) for path in self.path.rglob("*") if path.is_file())
        return sorted(found)


@contextmanager
def opened(client: MlflowClient, version: ModelVersion) -> Iterator[ModelDirectory]:
    """A version's directory, while the context is active. Raises `UserError`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        try:
            mlflow.artifacts.download_artifacts(
                f"models:/{version.name}/{version.version}", dst_path=folder
            )
        except (MlflowException, OSError) as error:
            raise UserError(
                f"the files of {version.name} version {version.version} are not where the registry "
                f"says: {error}"
            ) from error
        # MLflow's download adds a file with the download time, which is not part of the model.
        (path / "registered_model_meta").unlink(missing_ok=True)
        try:
            directory = _compiled(client, version, path)
        except ModelRefused as error:
            raise UserError(
                f"{version.name} version {version.version} cannot be served: {error}"
            ) from error
        yield directory


def _compiled(client: MlflowClient, version: ModelVersion, path: Path) -> ModelDirectory:
    if _take_compiled(client, version, path):
        return ModelDirectory(path, compiled=True, parity=_said(path))
    try:
        _compile(path)
    except NotCompilable as error:
        return ModelDirectory(path, compiled=False, parity=str(error))
    if version.run_id:  # a version that was registered from files may have no run
        artifacts.put_files(
            client, version, artifacts.COMPILED, path / compiled.FILE, path / PARITY_FILE
        )
    return ModelDirectory(path, compiled=True, parity=_said(path))


def _take_compiled(client: MlflowClient, version: ModelVersion, path: Path) -> bool:
    """The stored compiled model, if it was built from these same files."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder)
        names = artifacts.take_files(client, version, artifacts.COMPILED, kept)
        if not {compiled.FILE, PARITY_FILE} <= set(names):
            return False
        try:
            compiled.load((kept / compiled.FILE).read_bytes(), Directory(path))
        except ModelRefused:
            return False
        for name in (compiled.FILE, PARITY_FILE):
            shutil.copyfile(kept / name, path / name)
    return True


def _compile(path: Path) -> None:
    """Adds the compiled model and its parity report. Raises `NotCompilable`."""
    files = Directory(path)
    description = mlmodel.read(files)
    if not description.is_plain_sklearn:
        raise NotCompilable("it has more to it than a scikit-learn estimator's predict")
    if description.single_columns:
        raise NotCompilable(
            "its signature asks for single precision, where a compiled model has double"
        )
    sources = ("MLmodel", str(description.flavors["sklearn"]["pickled_model"]))
    try:  # load as the function would: it trusts fewer types than MLflow
        estimator = sklearn_flavor.estimator(files, description, allow_pickle=pickles_are_allowed())
    except ModelRefused as error:
        raise NotCompilable(str(error)) from error
    takes = fitted_on.inputs_of(estimator, description)
    domain.require_known(takes.fields)
    content, report = compile_checked(
        cast("BaseEstimator", estimator),
        takes,
        {source: str(files.sha256(source)) for source in sources},
    )
    (path / compiled.FILE).write_bytes(content)
    (path / PARITY_FILE).write_bytes(
        msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    )


def _said(path: Path) -> str:
    parity = compiled.CompiledModel((path / compiled.FILE).read_bytes()).metadata.parity
    return (
        f"differs from its source by at most {parity.largest_difference:.1g} minutes over "
        f"{parity.inputs:,} rides"
    )
