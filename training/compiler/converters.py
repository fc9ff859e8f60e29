"""Converts a fitted scikit-learn model to an ONNX graph, with metadata about its columns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction import DictVectorizer
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ride_scoring.domain import features
from ride_scoring.domain.events import Ride
from ride_scoring.models.compiled import INPUT
from training.compiler.columns import Encoded, Scaled
from training.compiler.graph import Graph, NotCompilable
from training.compiler.regressors import LINEAR, Ensemble, number, one_target, plus, regressed
from training.compiler.transformers import Matrix, name_of, steps_of, thawed, transformed

DICT_FEATURES: Final = ("PU_DO", "trip_distance")
"""Features of the compiled file of a model without a signature."""
_PAIR: Final = re.compile(r"(0|[1-9]\d{0,2})_(0|[1-9]\d{0,2})")
"""A zone pair as the function writes it for such a model."""


@dataclass(frozen=True)
class Converted:
    """An estimator's graph, the name of its output tensor in minutes, and its features."""

    graph: Graph
    minutes: str
    features: tuple[str, ...]
    ensemble: Ensemble | None
    categories: Mapping[int, NDArray[np.float64]]
    """Numbers that the model looks up, by feature index."""


def convert(estimator: BaseEstimator, feature_names: Sequence[str] | None) -> Converted:
    """Raises `NotCompilable`. Without names the estimator must be one of the MLOps Zoomcamp's."""
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError) as error:
        raise NotCompilable(f"{name_of(estimator)} is not a fitted estimator") from error
    if feature_names is None:
        return _model_of_dicts(estimator)
    _require_features(estimator, feature_names)
    graph = Graph(len(feature_names))
    taken = Matrix(INPUT, tuple(Scaled(index) for index in range(len(feature_names))))
    steps, regressor = _steps(estimator)
    for step in steps:
        taken = transformed(graph, step, taken)
    minutes = regressed(graph, regressor, taken)
    columns = taken.columns + (minutes.ensemble.columns if minutes.ensemble else ())
    categories = {column.feature: column.keys for column in columns if isinstance(column, Encoded)}
    return Converted(graph, minutes.tensor, tuple(feature_names), minutes.ensemble, categories)


def _require_features(estimator: BaseEstimator, names: Sequence[str]) -> None:
    if unknown := [name for name in names if name not in features.CATALOGUE]:
        raise NotCompilable(f"the function has no features {', '.join(unknown)}")
    fitted_on = list(getattr(estimator, "feature_names_in_", names))
    if fitted_on != list(names) or getattr(estimator, "n_features_in_", None) != len(names):
        raise NotCompilable(
            f"{name_of(estimator)} was fitted on other columns than {', '.join(names)}"
        )


def _steps(estimator: BaseEstimator) -> tuple[list[BaseEstimator], BaseEstimator]:
    """The transformers and the regressor."""
    estimator = thawed(estimator)
    if type(estimator) is not Pipeline:
        return [], estimator
    *transformers, regressor = steps_of(estimator)
    return transformers, regressor


# The MLOps Zoomcamp's models: one dict per ride, no signature.


def _model_of_dicts(estimator: BaseEstimator) -> Converted:
    steps, model = _steps(estimator)
    if [type(step) for step in steps] != [DictVectorizer] or type(model) not in LINEAR:
        raise NotCompilable(
            "of the models without a signature, only a DictVectorizer with a linear model after it "
            "is compiled"
        )
    vectorizer = steps[0]
    if vectorizer.dtype is not np.float64:
        raise NotCompilable("a DictVectorizer is compiled only where its dtype is float64")
    names = vectorizer.feature_names_
    weights = dict(zip(names, one_target(model.coef_, len(names), model).tolist(), strict=True))
    keys, values = _pair_weights(weights, "PU_DO" + vectorizer.separator)
    graph = Graph(len(DICT_FEATURES))
    pair = graph.lookup(graph.columns(INPUT, [0]), keys, values, 0.0)
    weight = graph.constant(np.array([weights.get("trip_distance", 0.0)]))
    distance = graph.add("Mul", graph.columns(INPUT, [1]), weight)
    total = plus(graph, graph.add("Add", pair, distance), number(model.intercept_))
    return Converted(graph, total, DICT_FEATURES, None, {0: keys})


def _pair_weights(
    weights: Mapping[str, float], prefix: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Zone pairs encoded as the catalogue's PU_DO, and their weights."""
    found = [
        (int(pair[1]), int(pair[2]), weight)
        for name, weight in weights.items()
        if name.startswith(prefix) and (pair := _PAIR.fullmatch(name.removeprefix(prefix)))
    ] or [(-1, 0, 0.0)]  # a lookup needs at least one key
    rides = [Ride(pickup, dropoff, 0.0) for pickup, dropoff, _ in found]
    keys = features.matrix(["PU_DO"], rides, [0.0] * len(rides))[:, 0].copy()
    return keys, np.array([weight for _, _, weight in found])
