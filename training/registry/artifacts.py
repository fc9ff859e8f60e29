"""What a registered version carries beside its model: small files of its run, by name."""

from pathlib import Path
from typing import Final

import mlflow
import msgspec
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from infra.common.console import UserError
from ride_scoring.models.store import GoldenRow

GOLDEN_ROWS: Final = "golden_rows.json"
TRAINING_PAIRS: Final = "training_pairs.json"
"""The ordered pairs of zones that the model was trained on, as numbers of the catalogue's PU_DO."""
PROFILE: Final = "reference_profile.json"
LINEAGE: Final = "lineage.json"
"""The data's names, digests and reports, and which rules they were held to."""
ENVIRONMENT: Final = "environment.txt"
"""The packages of the process that trained."""
EVALUATION: Final = "evaluation.json"
IMPORTANCE: Final = "importance.json"
CARD: Final = "model_card.md"
FIGURES: Final = "figures"
PROMOTIONS: Final = "promotions"
COMPILED: Final = "compiled"
"""The folder of the compiled model and its parity report."""


def text(version: ModelVersion, name: str) -> str:
    """Raises `UserError` where the version carries no such file."""
    try:
        return mlflow.artifacts.load_text(f"runs:/{version.run_id}/{name}")
    except (MlflowException, OSError) as error:
        raise UserError(
            f"{version.name} version {version.version} carries no {name}: take a version that "
            "`python -m training train` registered"
        ) from error


def golden_rows(version: ModelVersion) -> list[GoldenRow]:
    return msgspec.json.decode(text(version, GOLDEN_ROWS), type=list[GoldenRow])


def put_files(client: MlflowClient, version: ModelVersion, folder: str, *paths: Path) -> None:
    """Adds files to the folder of that name."""
    for path in paths:
        client.log_artifact(str(version.run_id), str(path), folder)


def take_files(client: MlflowClient, version: ModelVersion, folder: str, into: Path) -> list[str]:
    """Copies the files of a folder, and gives their names; none where there is no such folder."""
    run_id = str(version.run_id)
    names = [Path(found.path).name for found in client.list_artifacts(run_id, folder)]
    for name in names:
        path = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=f"{folder}/{name}", dst_path=str(into)
        )
        Path(path).replace(into / name)
    return names
