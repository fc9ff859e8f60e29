"""The baseline that any model must beat: every ride takes the mean of the rides learnt from."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor

FEATURES: Final = ("trip_distance",)
"""It looks at none, but a model of no features can be neither stored nor served."""


def fit(matrix: NDArray[np.float64], minutes: NDArray[np.float64]) -> DummyRegressor:
    """Takes a matrix of `FEATURES`, shape (n, 1), and n durations in minutes."""
    return DummyRegressor(strategy="mean").fit(matrix, minutes)
