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
from ride_scoring.fields import Field
from ride_scoring.models.compiled import INPUT
from ride_scoring.models.inputs import ModelInputs
from training.compiler.columns import Encoded, Scaled
from training.compiler.graph import Graph, NotCompilable
from training.compiler.regressors import LINEAR, Ensemble, number, one_target, plus, regressed
from training.compiler.transformers import Matrix, name_of, steps_of, thawed, transformed

_ZONE: Final = r"(0|[1-9]\d{0,2})"
_ZONES: Final = {
    "PULocationID": re.compile(_ZONE),
    "DOLocationID": re.compile(_ZONE),
    "PU_DO": re.compile(f"{_ZONE}_{_ZONE}"),
}
"""Zones and pairs of them as the function writes them as text."""


@dataclass(frozen=True)
class Converted:
    """An estimator's graph, the name of its output tensor in minutes, and its features."""

    graph: Graph
    minutes: str
    features: tuple[str, ...]
    ensemble: Ensemble | None
    categories: Mapping[int, NDArray[np.float64]]
    """Numbers that the model looks up, by feature index."""


def convert(estimator: BaseEstimator, takes: ModelInputs) -> Converted:
    """Raises `NotCompilable`. One that takes dicts must be one of the MLOps Zoomcamp's."""
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError) as error:
        raise NotCompilable(f"{name_of(estimator)} is not a fitted estimator") from error
    if takes.shape == "dicts":
        return _model_of_dicts(estimator, takes.fields)
    if takes.shape == "columns":
        raise NotCompilable("it takes a data frame with text in it, or without a signature")
    feature_names = takes.names
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


# The MLOps Zoomcamp's models: one dict per ride.


def _model_of_dicts(estimator: BaseEstimator, fields: Sequence[Field]) -> Converted:
    steps, model = _steps(estimator)
    if [type(step) for step in steps] != [DictVectorizer] or type(model) not in LINEAR:
        raise NotCompilable(
            "of the models that take dicts, only a DictVectorizer with a linear model after it is "
            "compiled"
        )
    vectorizer = steps[0]
    if vectorizer.dtype is not np.float64:
        raise NotCompilable("a DictVectorizer is compiled only where its dtype is float64")
    names = vectorizer.feature_names_
    weights = dict(zip(names, one_target(model.coef_, len(names), model).tolist(), strict=True))
    graph = Graph(len(fields))
    total: str | None = None
    categories = {}
    for index, field in enumerate(fields):
        column = graph.columns(INPUT, [index])
        if field.is_text:
            keys, values = _text_weights(weights, field.name, vectorizer.separator)
            categories[index] = keys
            part = graph.lookup(column, keys, values, 0.0)
        else:
            part = graph.add("Mul", column, graph.constant(np.array([weights[field.name]])))
        total = part if total is None else graph.add("Add", total, part)
    if total is None:
        raise NotCompilable("it was fitted on dicts with nothing in them")
    names = tuple(field.name for field in fields)
    return Converted(graph, plus(graph, total, number(model.intercept_)), names, None, categories)


def _text_weights(
    weights: Mapping[str, float], name: str, separator: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The texts of a field as the numbers that the catalogue has for them, and their weights."""
    if name not in _ZONES:
        raise NotCompilable(f"{name} as text is not compiled")
    prefix = name + separator
    found = [
        ([int(zone) for zone in zones.groups()], weight)
        for column, weight in weights.items()
        if column.startswith(prefix)
        and (zones := _ZONES[name].fullmatch(column.removeprefix(prefix)))
    ] or [([-1, 0], 0.0)]  # a lookup needs at least one key
    rides = [Ride(zones[0], zones[-1], 0.0) for zones, _ in found]
    keys = features.matrix([name], rides, [0.0] * len(rides))[:, 0].copy()
    return keys, np.array([weight for _, weight in found])
