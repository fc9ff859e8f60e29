"""Trains a model, registers it as a version, and points an alias to it."""

import time

import msgspec

from infra.common.steps import Steps
from training import assess, tracking
from training.datasets import Datasets
from training.evaluation.slices import pairs, seen_pairs
from training.models.kind import ModelKind
from training.provenance import provenance
from training.registry import versions
from training.registry.register import Making, register


class TrainedModel(msgspec.Struct, frozen=True):
    """A registered version and its validation metrics."""

    name: str
    version: str
    run_id: str
    rides: int
    validated_on: str
    validation_rides: int
    rmse_minutes: float
    mae_minutes: float


def train[Hyperparameters: msgspec.Struct](
    datasets: Datasets,
    name: str,
    alias: str,
    kind: ModelKind[Hyperparameters],
    hyperparameters: Hyperparameters,
    seed: int,
    steps: Steps,
) -> TrainedModel:
    """Fits, evaluates and registers a model with all artifacts, and sets the alias."""
    versions.require_names(name, alias)
    client = tracking.client()
    validation = datasets.validation
    with steps.step("fit", f"fitted on {len(datasets.train):,} rides"):
        started = time.monotonic()
        fitted = kind.fit(datasets.train, hyperparameters, seed)
        seconds = time.monotonic() - started
    with steps.step("assess", f"measured on {validation.data.name}") as step:
        seen = seen_pairs(pairs(datasets.train), validation.trips)
        assessment = assess.assess(fitted, validation, seen, seed)
        metrics = assessment.evaluation.metrics
        step.line += f": RMSE {metrics.rmse_minutes:.2f} minutes"
    with steps.step("register", f"registered as {name}") as step:
        making = Making(
            *(datasets, kind.name, hyperparameters, seed, seconds),
            *(fitted, assessment, provenance()),
        )
        version = register(client, name, making)
        versions.move_alias(client, version, alias, "train")
        step.line += f" version {version.version}, {alias}"
    return TrainedModel(
        name=name,
        version=versions.number(version),
        run_id=str(version.run_id),
        rides=len(datasets.train),
        validated_on=validation.data.name,
        validation_rides=metrics.rides,
        rmse_minutes=metrics.rmse_minutes,
        mae_minutes=metrics.mae_minutes,
    )
