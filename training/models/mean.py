"""The baseline that any model must beat: predicts the mean duration of the training rides."""

from typing import Final

from sklearn.dummy import DummyRegressor

from ride_scoring.models.inputs import matrix_of
from training.models.kind import Fitted, ModelKind, NoHyperparameters, feature_matrix
from trips.columns import Trips

FEATURES: Final = ("trip_distance",)
"""Unused by the model, but a model without features can be neither stored nor served."""


def _fit(trips: Trips, _: NoHyperparameters, __: int) -> Fitted:
    regressor = DummyRegressor(strategy="mean")
    matrix = feature_matrix(FEATURES, trips)
    return Fitted(regressor.fit(matrix, trips.duration_minutes), matrix_of(FEATURES))


MEAN: Final = ModelKind("mean", "mean", NoHyperparameters, _fit)
