"""The durations that trips are trained and measured on."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

MIN_MINUTES: Final = 1.0
MAX_MINUTES: Final = 60.0
"""Shorter and longer trips are dropped, as in the MLOps Zoomcamp; both bounds are inclusive."""


def has_usual_duration(minutes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of n durations are kept, shape (n,)."""
    return (minutes >= MIN_MINUTES) & (minutes <= MAX_MINUTES)
