"""Permutation importance of each feature of a model.

As in Breiman, Random Forests, Machine Learning 45 (2001), measured on rides that the model was not
trained on: the increase in RMSE when a column is shuffled among the rides.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import Minutes, errors

Matrix = NDArray[np.float64]

_MOST_RIDES: Final = 5_000
_REPEATS: Final = 3


class Increase(msgspec.Struct, frozen=True):
    """Increase in RMSE in minutes, over the repeats."""

    mean_minutes: float
    std_minutes: float


class Importance(msgspec.Struct, frozen=True):
    """Increase by feature name, largest first."""

    features: dict[str, Increase]
    groups: dict[str, Increase]
    """By ride attribute: all features of a group are shuffled together."""


def importance(
    predict: Callable[[Matrix], Minutes],
    matrix: Matrix,
    names: Sequence[str],
    actual: Minutes,
    groups: Mapping[str, Sequence[str]],
    seed: int,
) -> Importance:
    """Importance of the features `names` of `matrix`, shape (n, features), and of groups of them.

    Measured on at most 5,000 rides, with three repeats. Features derived from the same input are
    correlated: with PULocationID shuffled, a model still has the zone in PU_DO, so each looks less
    important than the zones are, and the shuffled rides are impossible ones. A group's features are
    shuffled by the same permutation, which keeps them consistent; prefer these values. Raises
    `ValueError` if a group names a feature that is not in `names`.
    """
    # scikit-learn's permutation_importance takes an estimator and shuffles one column at a time.
    columns = {name: [place] for place, name in enumerate(names)}
    if unknown := {name for group in groups.values() for name in group} - set(columns):
        raise ValueError(f"{', '.join(sorted(unknown))} is not among {', '.join(names)}")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(matrix))[:_MOST_RIDES]
    rides, minutes = matrix[chosen], actual[chosen]
    untouched = _rmse(predict, rides, minutes)

    def increase(shuffled: Sequence[int]) -> Increase:
        rises = [
            _rmse(predict, _shuffled(rides, shuffled, rng), minutes) - untouched
            for _ in range(_REPEATS)
        ]
        return Increase(float(np.mean(rises)), float(np.std(rises)))

    return Importance(
        features=_ranked({name: increase(place) for name, place in columns.items()}),
        groups=_ranked(
            {
                group: increase([columns[name][0] for name in members])
                for group, members in groups.items()
            }
        ),
    )


def _rmse(predict: Callable[[Matrix], Minutes], rides: Matrix, actual: Minutes) -> float:
    return float(np.sqrt(np.mean(errors(actual, predict(rides)) ** 2)))


def _shuffled(rides: Matrix, columns: Sequence[int], rng: np.random.Generator) -> Matrix:
    shuffled = rides.copy()
    shuffled[:, columns] = rides[rng.permutation(len(rides))][:, columns]
    return shuffled


def _ranked(increases: dict[str, Increase]) -> dict[str, Increase]:
    order = sorted(increases, key=lambda name: increases[name].mean_minutes, reverse=True)
    return {name: increases[name] for name in order}
