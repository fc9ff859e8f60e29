"""The baseline that any model must beat: predicts the mean duration of the training rides."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor

FEATURES: Final = ("trip_distance",)
"""Unused by the model, but a model without features can be neither stored nor served."""


def fit(matrix: NDArray[np.float64], minutes: NDArray[np.float64]) -> DummyRegressor:
    """Fits on a matrix of `FEATURES`, shape (n, 1), and n durations in minutes."""
    return DummyRegressor(strategy="mean").fit(matrix, minutes)
