"""A model's accuracy as served, from predicted and true minutes. Pure."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_sim.verify.account import Accuracy
from trips.durations import has_usual_duration


class Errors(msgspec.Struct):
    """Sums over one model's predictions; errors are predicted minus true minutes."""

    rides: int = 0
    left_out: int = 0
    total: float = 0.0
    absolute: float = 0.0
    squares: float = 0.0

    def add(
        self, predicted: NDArray[np.float64], true: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Add minutes, shapes (n,). Returns which rides count, shape (n,), and their errors."""
        counts = has_usual_duration(true)  # as in training
        errors = (predicted - true)[counts]
        self.rides += len(errors)
        self.left_out += len(true) - len(errors)
        self.total += float(errors.sum())
        self.absolute += float(np.abs(errors).sum())
        self.squares += float((errors**2).sum())
        return counts, errors

    def accuracy(self) -> Accuracy | None:
        """None if no ride counts."""
        if not self.rides:
            return None
        return Accuracy(
            rides=self.rides,
            left_out=self.left_out,
            rmse_minutes=round((self.squares / self.rides) ** 0.5, 3),
            mae_minutes=round(self.absolute / self.rides, 3),
            bias_minutes=round(self.total / self.rides, 3),
        )
