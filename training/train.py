"""Trips in, a registered version of the model out, with all that it is later asked for."""

import contextlib
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

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

from infra.steps import Steps
from ride_scoring.model_store import GoldenRow
from stream_sim.trips import Trips
from training import assess, tracking
from training.assess import Assessment
from training.data.report import DataReport
from training.data.rules import COURSE_RULES, FUNCTION_RULES
from training.datasets import Datasets, names_of
from training.evaluation.card import CardFacts, card
from training.evaluation.evaluation import Data
from training.evaluation.profile import profile
from training.evaluation.slices import pairs, seen_pairs
from training.models import boosted
from training.models.boosted import Hyperparameters
from training.models.catalogue import Fitted, boosted_trees, feature_matrix
from training.provenance import Provenance, provenance
from training.registry import carried, versions

_GOLDEN_ROWS: Final = 20
_EXAMPLE_ROWS: Final = 5
_RULES: Final = {"function": FUNCTION_RULES, "course": COURSE_RULES}
_UNSEEN: Final = "The rides that it was measured on are none that it was trained on."


class TrainedModel(msgspec.Struct, frozen=True):
    """A version in the registry, and how it does on the validation data."""

    name: str
    version: str
    run_id: str
    rides: int
    validated_on: str
    validation_rides: int
    rmse_minutes: float
    mae_minutes: float


def train(
    datasets: Datasets,
    name: str,
    alias: str,
    hyperparameters: Hyperparameters,
    seed: int,
    steps: Steps,
) -> TrainedModel:
    """Fits, measures, registers with all that a version carries, and sets the alias."""
    client = tracking.client()
    started = time.monotonic()
    with steps.step("fit", f"fitted on {len(datasets.train):,} rides"):
        model = boosted_trees("boosted trees", hyperparameters=hyperparameters)
        fitted = model.fit(datasets.train, seed)
    fitting_seconds = time.monotonic() - started
    with steps.step("assess", f"measured on {datasets.validation.data.name}") as step:
        seen = seen_pairs(pairs(datasets.train), datasets.validation.trips)
        assessment = assess.assess(fitted, datasets.validation, seen, seed)
        step.line += f": RMSE {assessment.evaluation.metrics.rmse_minutes:.2f} minutes"
    origin = provenance()
    with steps.step("register", f"registered as {name}") as step:
        with mlflow.start_run() as run:
            _log_parameters(datasets, hyperparameters, seed, fitting_seconds, origin)
            _log_carried(client, run.info.run_id, datasets, fitted)
            client.log_text(run.info.run_id, "\n".join(origin.packages), carried.ENVIRONMENT)
            assess.log(client, run.info.run_id, assessment)
            info = _log_model(fitted, datasets.train)
        version = _register(client, name, info, datasets, origin)
        facts = _card_facts(version, datasets, assessment, hyperparameters, fitting_seconds, origin)
        client.log_text(run.info.run_id, card(facts), carried.CARD)
        versions.move_alias(client, version, alias, "train")
        step.line += f" version {versions.number(version)}, {alias}"
    metrics = assessment.evaluation.metrics
    return TrainedModel(
        name=name,
        version=versions.number(version),
        run_id=run.info.run_id,
        rides=len(datasets.train),
        validated_on=datasets.validation.data.name,
        validation_rides=metrics.rides,
        rmse_minutes=metrics.rmse_minutes,
        mae_minutes=metrics.mae_minutes,
    )


def _log_parameters(
    datasets: Datasets,
    hyperparameters: Hyperparameters,
    seed: int,
    fitting_seconds: float,
    origin: Provenance,
) -> None:
    lineage = datasets.lineage
    mlflow.log_params(
        {
            "train": lineage.train_name,
            "validate": datasets.validation.data.name,
            "rules": lineage.rules,
            "rides": len(datasets.train),
            "seed": seed,
            **msgspec.structs.asdict(hyperparameters),
        }
    )
    mlflow.log_metric("training_seconds", fitting_seconds)
    mlflow.set_tag("mlflow.source.git.commit", origin.git_commit)
    for context, reports in (
        ("training", lineage.train),
        ("validation", lineage.validate),
    ):
        for report in reports:
            mlflow.log_input(_dataset(report), context)


def _dataset(report: DataReport) -> MetaDataset:
    source = CodeDatasetSource(tags={"source": report.source, "sha256": report.sha256})
    # MLflow makes it so itself; its types take it for abstract.
    return MetaDataset(source, name=report.source, digest=report.sha256[:32])  # type: ignore[abstract]


def _log_carried(client: MlflowClient, run_id: str, datasets: Datasets, fitted: Fitted) -> None:
    """What the version is later asked for, but by people."""
    names, trips = tuple(fitted.features or ()), datasets.train
    reference = profile(feature_matrix(names, trips), names, fitted.minutes(trips))
    files = {
        carried.GOLDEN_ROWS: _golden_rows(fitted, datasets.validation.trips),
        carried.TRAINING_PAIRS: np.unique(pairs(trips)).tolist(),
        carried.PROFILE: reference,
        carried.LINEAGE: datasets.lineage,
    }
    for file, content in files.items():
        client.log_text(run_id, msgspec.json.encode(content).decode(), file)


def _golden_rows(fitted: Fitted, trips: Trips) -> list[GoldenRow]:
    """Some rides spread over the validation data, with the minutes that a function must give."""
    chosen = trips.where(np.linspace(0, len(trips) - 1, _GOLDEN_ROWS).astype(np.int64))
    minutes = fitted.estimator.predict(feature_matrix(tuple(fitted.features or ()), chosen))
    return [GoldenRow(*row) for row in zip(chosen.rides(), minutes.tolist(), strict=True)]


def _log_model(fitted: Fitted, trips: Trips) -> ModelInfo:
    names = list(fitted.features or ())
    matrix = feature_matrix(tuple(names), trips.where(slice(_EXAMPLE_ROWS)))
    example = pd.DataFrame(matrix, columns=names)
    with warnings.catch_warnings():
        # MLflow tries the example as a frame. The signature puts its columns in order, which is all
        # that a pipeline fitted on a matrix needs, but scikit-learn misses the names.
        warnings.filterwarnings("ignore", "X has feature names", UserWarning)
        info: ModelInfo = mlflow.sklearn.log_model(
            fitted.estimator,
            name="model",
            serialization_format="skops",  # a pickle could run any code where it is read
            skops_trusted_types=_types(fitted),
            signature=infer_signature(example, fitted.estimator.predict(matrix)),
            input_example=example,
            pip_requirements=[
                f"scikit-learn=={sklearn.__version__}",
                f"skops=={skops.__version__}",
            ],
        )
    return info


def _register(
    client: MlflowClient, name: str, info: ModelInfo, datasets: Datasets, origin: Provenance
) -> ModelVersion:
    with contextlib.suppress(MlflowException):  # it is there already
        client.create_registered_model(name)
    lineage = datasets.lineage
    return client.create_model_version(
        name,
        source=info.model_uri,
        run_id=info.run_id,
        model_id=info.model_id,
        tags={
            "train": lineage.train_name,
            "train_sha256": " ".join(lineage.train_sha256),
            "validate": datasets.validation.data.name,
            "rules": lineage.rules,
            "git_commit": origin.git_commit,
            "environment_sha256": origin.environment_sha256,
        },
    )


def _card_facts(
    version: ModelVersion,
    datasets: Datasets,
    assessment: Assessment,
    hyperparameters: Hyperparameters,
    fitting_seconds: float,
    origin: Provenance,
) -> CardFacts:
    lineage = datasets.lineage
    return CardFacts(
        name=version.name,
        version=versions.number(version),
        trained_at=datetime.now(UTC),
        training_seconds=fitting_seconds,
        git_commit=origin.git_commit,
        training=Data(names_of(lineage.train), " ".join(lineage.train_sha256)),
        training_rides=len(datasets.train),
        rules=[rule.keeps for rule in _RULES[lineage.rules]],
        checks=[_UNSEEN],
        hyperparameters=msgspec.structs.asdict(hyperparameters),
        features=list(boosted.FEATURES),
        evaluation=assessment.evaluation,
        importance=assessment.importance,
    )


def _types(fitted: Fitted) -> list[str]:
    """The types in the estimator that skops does not trust by itself."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        dump(fitted.estimator, path)
        return list(get_untrusted_types(file=path))
