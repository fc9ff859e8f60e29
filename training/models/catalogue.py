"""The models to compare: each is fitted on trips with a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ride_scoring.domain import features
from training.models import boosted, course, mean
from trips.columns import Trips

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator, and the features of its matrix; None if it takes course dicts."""

    estimator: BaseEstimator
    features: tuple[str, ...] | None

    def minutes(self, trips: Trips) -> FloatArray:
        """Predictions for n trips, shape (n,), never negative, as the function serves them."""
        if self.features is None:
            return self.served(features.course_dicts(trips.rides()))
        return self.served(feature_matrix(self.features, trips))

    def served(self, taken: object) -> FloatArray:
        """The same for n rides in the estimator's own input format: a matrix or dicts."""
        predicted: FloatArray = self.estimator.predict(taken)
        return np.maximum(predicted, 0.0)


@dataclass(frozen=True)
class Model:
    """A model to fit. `fit` takes trips and a seed, and is deterministic."""

    name: str
    fit: Callable[[Trips, int], Fitted]


def feature_matrix(names: tuple[str, ...], trips: Trips) -> FloatArray:
    """The features of n trips, shape (n, len(names)), computed by the function's own code."""
    return features.matrix(names, trips.rides(), [0.0] * len(trips))


def boosted_trees(
    name: str,
    names: tuple[str, ...] = boosted.FEATURES,
    hyperparameters: boosted.Hyperparameters = boosted.Hyperparameters(),  # noqa: B008 - frozen
) -> Model:
    """Boosted trees on the features `names`."""

    def fit(trips: Trips, seed: int) -> Fitted:
        matrix = feature_matrix(names, trips)
        pipeline = boosted.fit(matrix, trips.duration_minutes, names, hyperparameters, seed)
        return Fitted(pipeline, names)

    return Model(name, fit)


def _fit_mean(trips: Trips, _: int) -> Fitted:
    matrix = feature_matrix(mean.FEATURES, trips)
    return Fitted(mean.fit(matrix, trips.duration_minutes), mean.FEATURES)


def _fit_course(trips: Trips, _: int) -> Fitted:
    return Fitted(course.fit(trips.rides(), trips.duration_minutes), None)


MEAN: Final = Model("mean", _fit_mean)
COURSE_LINEAR: Final = Model("course linear", _fit_course)
BOOSTED_WITHOUT_PICKUP_TIME: Final = boosted_trees(
    "boosted trees, no pickup time", boosted.FEATURES_WITHOUT_PICKUP_TIME
)
BOOSTED: Final = boosted_trees("boosted trees", boosted.FEATURES)
MODELS: Final = (MEAN, COURSE_LINEAR, BOOSTED_WITHOUT_PICKUP_TIME, BOOSTED)
"""Simplest first."""
