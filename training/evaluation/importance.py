"""A model and rides in, what each feature is worth to it out: permutation importance.

The method is that of Breiman, Random Forests, Machine Learning 45 (2001), measured on rides that
the model did not learn from: how far the RMSE rises when a column is shuffled among the rides.
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
    """By how many minutes the RMSE rises, over the repeats."""

    mean_minutes: float
    std_minutes: float


class Importance(msgspec.Struct, frozen=True):
    """Name ▸ increase, the largest first."""

    features: dict[str, Increase]
    groups: dict[str, Increase]
    """By what a ride carries, all of a group's features shuffled as one."""


def importance(
    predict: Callable[[Matrix], Minutes],
    matrix: Matrix,
    names: Sequence[str],
    actual: Minutes,
    groups: Mapping[str, Sequence[str]],
    seed: int,
) -> Importance:
    """Importance of the features `names` of `matrix`, shape (n, features), and of groups of them.

    It is measured on at most 5,000 rides, three times. Features that follow from the same input
    are correlated: with PULocationID shuffled, a model still has the zone in PU_DO, so each looks
    less important than the zones are, and the shuffled rides are none that could be. A group's
    features are shuffled by one permutation, which keeps them consistent; it is what to read.
    Raises `ValueError` where a group names a feature that is not in `names`.
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
