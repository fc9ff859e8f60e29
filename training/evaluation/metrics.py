"""Error metrics from actual and predicted minutes."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Minutes = NDArray[np.float64]

CLOSE_MINUTES: Final = 5.0
"""An error that riders hardly mind."""


class Metrics(msgspec.Struct, frozen=True):
    """Metrics of n rides: errors are predicted minus actual, in minutes."""

    rides: int
    rmse_minutes: float
    mae_minutes: float
    bias_minutes: float
    """The mean error: above 0 if predictions are too long on average."""
    p90_error_minutes: float
    p99_error_minutes: float
    """Quantiles of the absolute error."""
    within_5_minutes: float
    """Share of rides with an absolute error of at most 5 minutes, 0 to 1."""


def measure(actual: Minutes, predicted: Minutes) -> Metrics:
    """The metrics of n rides from minutes of shape (n,). Raises `ValueError` as `errors` does."""
    error = errors(actual, predicted)
    absolute = np.abs(error)
    p90, p99 = np.quantile(absolute, (0.9, 0.99)).tolist()
    return Metrics(
        rides=len(error),
        rmse_minutes=float(np.sqrt(np.mean(error**2))),
        mae_minutes=float(absolute.mean()),
        bias_minutes=float(error.mean()),
        p90_error_minutes=p90,
        p99_error_minutes=p99,
        within_5_minutes=float(np.mean(absolute <= CLOSE_MINUTES)),
    )


def errors(actual: Minutes, predicted: Minutes) -> Minutes:
    """Predicted minus actual, shape (n,).

    Raises `ValueError` if the shapes differ or are not (n,), n is 0, or a value is not finite.
    """
    if actual.shape != predicted.shape or actual.ndim != 1:
        raise ValueError(
            f"actual minutes are of shape {actual.shape} and predicted ones of {predicted.shape}: "
            "both must be (n,)"
        )
    if not len(actual):
        raise ValueError("there are no rides to measure: at least one is needed")
    for name, minutes in (("actual", actual), ("predicted", predicted)):
        if count := int(np.count_nonzero(~np.isfinite(minutes))):
            raise ValueError(f"{count} of {len(minutes)} {name} minutes are NaN or infinite")
    return predicted - actual
