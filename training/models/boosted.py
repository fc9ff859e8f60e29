"""The candidate: boosted trees on durations and speeds of past rides between the same zones.

Many zone pairs are rare or new. So pairs ignore direction, each zone is also encoded with the
borough at the other end, and the trees see the zones' locations.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ride_scoring.models.inputs import matrix_of
from training.models import encodings
from training.models.kind import Fitted, ModelKind, feature_matrix
from trips.columns import Trips

if TYPE_CHECKING:
    from optuna import Trial

FloatArray = NDArray[np.float64]

CATEGORIES: Final = ("PU_DO_either_way", "PU_DO_borough", "PU_borough_DO")
"""Features that are target-encoded; all others are used as they are."""
FEATURES_WITHOUT_PICKUP_TIME: Final = (
    *CATEGORIES,
    "PU_miles_east",
    "PU_miles_north",
    "DO_miles_east",
    "DO_miles_north",
    "crow_miles",
    "detour",
    "trip_distance",
)
FEATURES: Final = (*FEATURES_WITHOUT_PICKUP_TIME, "minute_of_day", "weekday")
"""Columns of the feature matrix, in order; see the catalogue in `domain.features`."""

_LONGEST_MILES: Final = 40.0
_FASTEST_MILES_AN_HOUR: Final = 60.0
"""Broken meters record thousands of miles: one such ride must not make its zones look fast."""


class Hyperparameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Capacity and regularization of the model."""

    trees: Annotated[int, Meta(ge=1, le=10_000)] = 80
    """Number of trees; scoring time is proportional to it."""
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.15
    """Shrinkage of each tree's correction, above 0 and at most 1."""
    leaves: Annotated[int, Meta(ge=2, le=65_536)] = 63
    """Maximum number of leaves per tree."""
    rides_per_leaf: Annotated[int, Meta(ge=1)] = 40
    """Minimum number of training rides per leaf."""
    features_per_split: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Share of columns considered at each split, above 0 and at most 1."""
    l2_regularization: Annotated[float, Meta(ge=0)] = 0.0
    """Added to the number of rides in a leaf: shrinks the corrections of small leaves towards 0."""
    folds: Annotated[int, Meta(ge=2, le=200)] = 10
    """Folds for the encodings; each fold is encoded using the others."""


def fit(
    matrix: FloatArray,
    minutes: FloatArray,
    feature_names: Sequence[str],
    hyperparameters: Hyperparameters,
    seed: int,
) -> Pipeline:
    """Fits on a matrix of `feature_names`, shape (n, k), and n durations in minutes, all above 0.

    The names must include "trip_distance" and at least one of `CATEGORIES`. Deterministic; the
    pipeline takes matrices of the same features.
    """
    categories = [feature_names.index(name) for name in CATEGORIES if name in feature_names]
    miles = matrix[:, feature_names.index("trip_distance")]
    transformer, columns = encodings.cross_fitted(
        matrix,
        categories,
        {"minutes": minutes, "speed": _miles_an_hour(miles, minutes)},
        hyperparameters.folds,
        seed,
    )
    # A month takes seconds on one thread; minutes on two that wait for each other on a busy
    # machine.
    with threadpool_limits(limits=1):
        regressor = _new_regressor(hyperparameters, seed).fit(columns, minutes)
    return Pipeline([("encode", transformer), ("regress", regressor)])


def _miles_an_hour(miles: FloatArray, minutes: FloatArray) -> FloatArray:
    speed = np.clip(miles, 0.0, _LONGEST_MILES) / minutes * 60.0
    return np.minimum(speed, _FASTEST_MILES_AN_HOUR)


def _new_regressor(chosen: Hyperparameters, seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=chosen.trees,
        learning_rate=chosen.learning_rate,
        max_leaf_nodes=chosen.leaves,
        min_samples_leaf=chosen.rides_per_leaf,
        max_features=chosen.features_per_split,
        l2_regularization=chosen.l2_regularization,
        early_stopping=False,
        random_state=seed,
    )


def _proposed(trial: "Trial") -> Hyperparameters:
    return Hyperparameters(
        trees=trial.suggest_int("trees", 50, 400, log=True),
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        leaves=trial.suggest_int("leaves", 15, 255, log=True),
        rides_per_leaf=trial.suggest_int("rides_per_leaf", 5, 200, log=True),
        features_per_split=trial.suggest_float("features_per_split", 0.2, 1.0),
        l2_regularization=trial.suggest_float("l2_regularization", 0.0, 20.0),
        folds=trial.suggest_int("folds", 5, 40),
    )


def _kind(name: str, title: str, names: tuple[str, ...]) -> ModelKind[Hyperparameters]:
    """Boosted trees on the features `names`."""

    def fit_on(trips: Trips, hyperparameters: Hyperparameters, seed: int) -> Fitted:
        matrix = feature_matrix(names, trips)
        pipeline = fit(matrix, trips.duration_minutes, names, hyperparameters, seed)
        return Fitted(pipeline, matrix_of(names))

    return ModelKind(name, title, Hyperparameters, fit_on, _proposed)


BOOSTED: Final = _kind("boosted", "boosted trees", FEATURES)
BOOSTED_WITHOUT_PICKUP_TIME: Final = _kind(
    "boosted-without-pickup-time", "boosted trees, no pickup time", FEATURES_WITHOUT_PICKUP_TIME
)
