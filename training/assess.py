"""A fitted model and validation trips in; its numbers and figures out, and into MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from matplotlib.figure import Figure
from mlflow import MlflowClient
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from training.datasets import Validation
from training.evaluation.evaluation import Evaluation, evaluate
from training.evaluation.figures import figures
from training.evaluation.importance import Importance, importance
from training.evaluation.metrics import Minutes
from training.models.catalogue import Fitted, feature_matrix
from training.registry import artifacts
from trips.columns import Trips

_FROM_BOTH: Final = frozenset({"detour"})
_DISTANCE: Final = frozenset({"trip_distance"}) | _FROM_BOTH
_PICKUP_TIME: Final = frozenset({"hour", "minute_of_day", "weekday"})


@dataclass(frozen=True)
class Assessment:
    """How one model does on one set of trips. A model of course dicts has no importance."""

    evaluation: Evaluation
    importance: Importance | None
    figures: dict[str, Figure]


def assess(
    fitted: Fitted, validation: Validation, seen: NDArray[np.bool_], seed: int
) -> Assessment:
    """`seen` tells which trips' pair of zones the model learned from, shape (n,)."""
    trips = validation.trips
    # Threads that wait for each other on a busy machine take twenty times as long as one alone.
    with threadpool_limits(limits=1):
        predicted, worth = _scored(fitted, trips, seed)
    evaluation = evaluate(trips, predicted, seen, validation.data, seed)
    drawn = figures(trips.duration_minutes, predicted, evaluation, worth)
    return Assessment(evaluation, worth, drawn)


def _scored(fitted: Fitted, trips: Trips, seed: int) -> tuple[Minutes, Importance | None]:
    """Minutes of n trips, shape (n,), and the importance where the model takes a matrix."""
    if fitted.features is None:
        return fitted.minutes(trips), None
    matrix = feature_matrix(fitted.features, trips)
    groups, actual = _groups(fitted.features), trips.duration_minutes
    worth = importance(fitted.served, matrix, fitted.features, actual, groups, seed)
    return fitted.served(matrix), worth


def log(client: MlflowClient, run_id: str, assessment: Assessment) -> None:
    """Into the run: each metric, each interval's ends, the whole as JSON, and the figures."""
    for name, value in metrics_of(assessment.evaluation).items():
        client.log_metric(run_id, name, value)
    client.log_dict(run_id, msgspec.to_builtins(assessment.evaluation), artifacts.EVALUATION)
    if assessment.importance is not None:
        client.log_dict(run_id, msgspec.to_builtins(assessment.importance), artifacts.IMPORTANCE)
    for name, figure in assessment.figures.items():
        client.log_figure(run_id, figure, f"{artifacts.FIGURES}/{name}.png")


def metrics_of(evaluation: Evaluation) -> dict[str, float]:
    """Names and values as MLflow keeps them."""
    found = {
        name: float(value) for name, value in msgspec.structs.asdict(evaluation.metrics).items()
    }
    for name, interval in evaluation.intervals.items():
        found |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found


def _groups(names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Features by what a ride carries; one that follows from two of these is in both."""
    apart = _DISTANCE | _PICKUP_TIME
    groups = {
        "zones": [name for name in names if name not in apart or name in _FROM_BOTH],
        "distance": [name for name in names if name in _DISTANCE],
        "pickup time": [name for name in names if name in _PICKUP_TIME],
    }
    return {group: members for group, members in groups.items() if members}
