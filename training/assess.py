"""Evaluates a fitted model on validation trips, and logs metrics and figures to MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from matplotlib.figure import Figure
from mlflow import MlflowClient
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ride_scoring.domain.features import ATTRIBUTES
from training.datasets import Validation
from training.evaluation.evaluation import Evaluation, evaluate
from training.evaluation.figures import figures
from training.evaluation.importance import Importance, importance
from training.evaluation.metrics import Minutes
from training.models.kind import Fitted, feature_matrix
from training.registry import artifacts
from trips.columns import Trips


@dataclass(frozen=True)
class Assessment:
    """One model's results on one set of trips. `importance` is None for models of course dicts."""

    evaluation: Evaluation
    importance: Importance | None
    figures: dict[str, Figure]


def assess(
    fitted: Fitted, validation: Validation, seen: NDArray[np.bool_], seed: int
) -> Assessment:
    """`seen`: which trips' zone pairs occur in the model's training data, shape (n,)."""
    trips = validation.trips
    # One thread: on a busy machine, threads waiting for each other take twenty times as long.
    with threadpool_limits(limits=1):
        predicted, worth = _scored(fitted, trips, seed)
    evaluation = evaluate(trips, predicted, seen, validation.data, seed)
    drawn = figures(trips.duration_minutes, predicted, evaluation, worth)
    return Assessment(evaluation, worth, drawn)


def _scored(fitted: Fitted, trips: Trips, seed: int) -> tuple[Minutes, Importance | None]:
    """Minutes of n trips, shape (n,), and the importance if the model takes a matrix."""
    if fitted.features is None:
        return fitted.minutes(trips), None
    matrix = feature_matrix(fitted.features, trips)
    groups, actual = attribute_groups(fitted.features), trips.duration_minutes
    worth = importance(fitted.served, matrix, fitted.features, actual, groups, seed)
    return fitted.served(matrix), worth


def log(client: MlflowClient, run_id: str, assessment: Assessment) -> None:
    """Logs metrics, interval bounds, the evaluation as JSON, and the figures to the run."""
    for name, value in metrics_of(assessment.evaluation).items():
        client.log_metric(run_id, name, value)
    client.log_dict(run_id, msgspec.to_builtins(assessment.evaluation), artifacts.EVALUATION)
    if assessment.importance is not None:
        client.log_dict(run_id, msgspec.to_builtins(assessment.importance), artifacts.IMPORTANCE)
    for name, figure in assessment.figures.items():
        client.log_figure(run_id, figure, f"{artifacts.FIGURES}/{name}.png")


def metrics_of(evaluation: Evaluation) -> dict[str, float]:
    """Metrics and interval bounds by their names in MLflow."""
    found = {
        name: float(value) for name, value in msgspec.structs.asdict(evaluation.metrics).items()
    }
    for name, interval in evaluation.intervals.items():
        found |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found


def attribute_groups(names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Features by the ride's attribute that they are made from. One made from two is in both
    groups; one of an attribute that has no name is a group of its own."""
    groups = {
        attribute: [name for name in names if name in made]
        for attribute, made in ATTRIBUTES.items()
    }
    of_itself = {name: [name] for name in names if not any(name in g for g in groups.values())}
    return {group: members for group, members in (groups | of_itself).items() if members}
