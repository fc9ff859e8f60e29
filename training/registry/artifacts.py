"""Artifacts of a registered version besides its model: small files of its run, by name."""

from pathlib import Path
from typing import Final

import mlflow
import msgspec
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from infra.common.console import UserError
from ride_scoring.domain import GoldenRow

GOLDEN_ROWS: Final = "golden_rows.json"
TRAINING_PAIRS: Final = "training_pairs.json"
"""Ordered zone pairs in the training data, encoded as the feature catalogue's PU_DO."""
PROFILE: Final = "reference_profile.json"
LINEAGE: Final = "lineage.json"
"""Data names, digests and reports, and the rules applied to them."""
ENVIRONMENT: Final = "environment.txt"
"""Packages of the training process."""
EVALUATION: Final = "evaluation.json"
IMPORTANCE: Final = "importance.json"
CARD: Final = "model_card.md"
FIGURES: Final = "figures"
PROMOTIONS: Final = "promotions"
COMPILED: Final = "compiled"
"""Folder of the compiled model and its parity report."""


def text(version: ModelVersion, name: str) -> str:
    """Raises `UserError` if the version has no such artifact."""
    try:
        return mlflow.artifacts.load_text(f"runs:/{version.run_id}/{name}")
    except (MlflowException, OSError) as error:
        raise UserError(
            f"{version.name} version {version.version} carries no {name}: take a version that "
            "`python -m training train` registered"
        ) from error


def golden_rows(version: ModelVersion) -> list[GoldenRow]:
    return msgspec.json.decode(text(version, GOLDEN_ROWS), type=list[GoldenRow])


def carries(client: MlflowClient, version: ModelVersion, name: str) -> bool:
    """Raises `UserError` if the run's artifacts cannot be listed."""
    if not version.run_id:
        return False
    try:
        return any(found.path == name for found in client.list_artifacts(version.run_id))
    except (MlflowException, OSError) as error:
        raise UserError(
            f"the files of {version.name} version {version.version} cannot be listed: {error}"
        ) from error


def put_files(client: MlflowClient, version: ModelVersion, folder: str, *paths: Path) -> None:
    """Adds files to the artifact folder of that name."""
    for path in paths:
        client.log_artifact(str(version.run_id), str(path), folder)


def take_files(client: MlflowClient, version: ModelVersion, folder: str, into: Path) -> list[str]:
    """Downloads an artifact folder's files and returns their names; none if it does not exist."""
    if not version.run_id:
        return []
    run_id = str(version.run_id)
    names = [Path(found.path).name for found in client.list_artifacts(run_id, folder)]
    for name in names:
        path = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=f"{folder}/{name}", dst_path=str(into)
        )
        Path(path).replace(into / name)
    return names
