"""What every kind of model has: a name, hyperparameters, a way to fit it, and what that yields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ride_scoring import domain
from ride_scoring.models.inputs import ModelInputs
from trips.columns import Trips

if TYPE_CHECKING:
    from optuna import Trial

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator, and what it takes of each ride."""

    estimator: BaseEstimator
    takes: ModelInputs

    @property
    def features(self) -> tuple[str, ...] | None:
        """The features of its matrix; None if it takes another shape."""
        return self.takes.names if self.takes.shape == "matrix" else None

    def taken(self, trips: Trips) -> object:
        """What the estimator takes for n trips, computed by the function's own code."""
        return self.takes.of(trips.rides(), [0.0] * len(trips))

    def minutes(self, trips: Trips) -> FloatArray:
        """Predictions for n trips, shape (n,), never negative, as the function serves them."""
        return self.served(self.taken(trips))

    def served(self, taken: object) -> FloatArray:
        """The same for n rides in the shape that the estimator takes."""
        predicted: FloatArray = self.estimator.predict(taken)
        return np.maximum(predicted, 0.0)


class NoHyperparameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Those of a kind that has none."""


@dataclass(frozen=True)
class ModelKind[Hyperparameters: msgspec.Struct]:
    """A kind of model: all that is said of it outside its own module."""

    name: str
    """On the command line."""
    title: str
    """In tables and reports."""
    hyperparameters: type[Hyperparameters]
    """Its defaults are the values that stand; its fields are logged as parameters of the run."""
    fit: Callable[[Trips, Hyperparameters, int], Fitted]
    """Fits on trips with a seed; deterministic. Durations are all above 0."""
    propose: "Callable[[Trial], Hyperparameters] | None" = None
    """Draws a search's next hyperparameters; None where there is nothing to search."""


def feature_matrix(names: tuple[str, ...], trips: Trips) -> FloatArray:
    """The features of n trips, shape (n, len(names)), computed by the function's own code."""
    return domain.matrix(names, trips.rides(), [0.0] * len(trips))
