"""Registers a fitted model with its artifacts as a version in MLflow's registry."""

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import mlflow
import msgspec
import numpy as np
import pandas as pd
import sklearn
import skops
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.models.model import ModelInfo
from skops.io import dump, get_untrusted_types

from ride_scoring.domain import GoldenRow
from training import assess
from training.assess import Assessment
from training.datasets import Datasets
from training.evaluation.card import CardFacts, card
from training.evaluation.evaluation import Data
from training.evaluation.reference_profile import reference_profile
from training.evaluation.slices import pairs
from training.models.kind import Fitted, feature_matrix
from training.provenance import Provenance
from training.registry import artifacts, versions
from trips import rules
from trips.data.report import DataReport

KIND_PARAMETER: Final = "model"
"""The run's parameter that names the kind of model."""
_GOLDEN_ROWS: Final = 20
_EXAMPLE_ROWS: Final = 5
_UNSEEN: Final = "None of the rides it was measured on was used to train it."


@dataclass(frozen=True)
class Making:
    """A fitted model, and how it was trained. `seconds` covers fitting only."""

    datasets: Datasets
    kind: str
    hyperparameters: msgspec.Struct
    seed: int
    seconds: float
    fitted: Fitted
    assessment: Assessment
    origin: Provenance

    @property
    def features(self) -> tuple[str, ...]:
        """What the model looks at, as numbers."""
        return self.fitted.takes.names


def register(client: MlflowClient, name: str, making: Making) -> ModelVersion:
    """Registers a new version with all its artifacts; it has no alias yet."""
    with mlflow.start_run() as run:
        run_id = run.info.run_id
        _log_parameters(making)
        _log_artifacts(client, run_id, making)
        assess.log(client, run_id, making.assessment)
        info = _log_model(making)
    _require_model(client, name)
    version = client.create_model_version(
        name,
        source=info.model_uri,
        run_id=info.run_id,
        model_id=info.model_id,
        tags=_tags(making),
    )
    client.log_text(run_id, card(_card_facts(version, making)), artifacts.CARD)
    return version


def _require_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _tags(making: Making) -> dict[str, str]:
    lineage = making.datasets.lineage
    return {
        "train": lineage.train_name,
        "train_sha256": " ".join(lineage.train_sha256),
        "validate": making.datasets.validation.data.name,
        "rules": lineage.rules,
        "git_commit": making.origin.git_commit,
        "environment_sha256": making.origin.environment_sha256,
    }


def _log_parameters(making: Making) -> None:
    lineage = making.datasets.lineage
    mlflow.log_params(
        {
            "train": lineage.train_name,
            "validate": making.datasets.validation.data.name,
            "rules": lineage.rules,
            "rides": len(making.datasets.train),
            "seed": making.seed,
            KIND_PARAMETER: making.kind,
            **msgspec.structs.asdict(making.hyperparameters),
        }
    )
    mlflow.log_metric("training_seconds", making.seconds)
    mlflow.set_tag("mlflow.source.git.commit", making.origin.git_commit)
    for context, reports in (("training", lineage.train), ("validation", lineage.validate)):
        for report in reports:
            mlflow.log_input(_dataset(report), context)


def _dataset(report: DataReport) -> MetaDataset:
    source = CodeDatasetSource(tags={"source": report.source, "sha256": report.sha256})
    # MLflow itself does this, although its types declare the class abstract.
    return MetaDataset(source, name=report.source, digest=report.sha256[:32])  # type: ignore[abstract]


def _log_artifacts(client: MlflowClient, run_id: str, making: Making) -> None:
    """Logs the artifacts that code, not people, reads later."""
    names, trips, fitted = making.features, making.datasets.train, making.fitted
    matrix = feature_matrix(names, trips)
    predicted = fitted.minutes(trips) if fitted.features is None else fitted.served(matrix)
    files = {
        artifacts.GOLDEN_ROWS: _golden_rows(making),
        artifacts.TRAINING_PAIRS: np.unique(pairs(trips)).tolist(),
        artifacts.PROFILE: reference_profile(matrix, names, predicted),
        artifacts.LINEAGE: making.datasets.lineage,
    }
    for file, content in files.items():
        client.log_text(run_id, msgspec.json.encode(content).decode(), file)
    client.log_text(run_id, "\n".join(making.origin.packages), artifacts.ENVIRONMENT)


def _golden_rows(making: Making) -> list[GoldenRow]:
    """A spread of validation rides, with the minutes that the function must reproduce.

    Excludes rides that the function rejects, which the course's rules keep.
    """
    trips = making.datasets.validation.trips
    trips = trips.where(rules.scorable(trips))
    chosen = trips.where(np.linspace(0, len(trips) - 1, _GOLDEN_ROWS).astype(np.int64))
    minutes = making.fitted.estimator.predict(making.fitted.taken(chosen))
    return [GoldenRow(*row) for row in zip(chosen.rides(), minutes.tolist(), strict=True)]


def _log_model(making: Making) -> ModelInfo:
    estimator = making.fitted.estimator
    with warnings.catch_warnings():
        # MLflow passes the example as a data frame. The signature orders its columns, which is all
        # that a pipeline fitted on a matrix needs, but scikit-learn warns about feature names.
        warnings.filterwarnings("ignore", "X has feature names", UserWarning)
        info: ModelInfo = mlflow.sklearn.log_model(
            estimator,
            name="model",
            serialization_format="skops",  # unpickling can execute arbitrary code
            skops_trusted_types=_types(making),
            pip_requirements=[
                f"scikit-learn=={sklearn.__version__}",
                f"skops=={skops.__version__}",
            ],
            **_signed(making),
        )
    return info


def _signed(making: Making) -> dict[str, Any]:
    """Signature and example. A model of dicts has neither: that is how the function tells it."""
    names = making.fitted.features
    if names is None:
        return {"signature": False}
    matrix = feature_matrix(names, making.datasets.train.where(slice(_EXAMPLE_ROWS)))
    example = pd.DataFrame(matrix, columns=list(names))
    predicted = making.fitted.estimator.predict(matrix)
    return {"signature": infer_signature(example, predicted), "input_example": example}


def _types(making: Making) -> list[str]:
    """The estimator's types that skops does not trust by default."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        dump(making.fitted.estimator, path)
        return list(get_untrusted_types(file=path))


def _card_facts(version: ModelVersion, making: Making) -> CardFacts:
    lineage = making.datasets.lineage
    return CardFacts(
        name=version.name,
        version=versions.number(version),
        trained_at=datetime.now(UTC),
        training_seconds=making.seconds,
        git_commit=making.origin.git_commit,
        training=Data(lineage.train_name, " ".join(lineage.train_sha256)),
        training_rides=len(making.datasets.train),
        rules=[rule.keeps for rule in rules.RULES[lineage.rules]],
        hyperparameters=msgspec.structs.asdict(making.hyperparameters),
        features=list(making.features),
        evaluation=making.assessment.evaluation,
        importance=making.assessment.importance,
        checks=[_UNSEEN],
    )
