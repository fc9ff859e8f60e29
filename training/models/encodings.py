"""Categories in, what the rides of each category had in common out: target encodings.

The encodings that a model learns from are cross-fitted: a ride's own are those of the other folds'
rides, so that it does not see its own target. All later rides get those of all rides.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

FloatArray = NDArray[np.float64]


def cross_fitted(
    matrix: FloatArray,
    categories: Sequence[int],
    targets: Mapping[str, FloatArray],
    folds: int,
    seed: int,
) -> tuple[ColumnTransformer, FloatArray]:
    """A fitted transformer for later rides, and the cross-fitted columns of these ones.

    `matrix` has shape (n, k), and `categories` are positions of some of its columns. Each target,
    shape (n,), gives one column for each of these; the columns that are no categories come last,
    as they are.
    """
    encoders = {name: _new_encoder(folds, seed) for name in targets}
    columns = [
        encoders[name].fit_transform(matrix[:, categories], target)
        for name, target in targets.items()
    ]
    others = [index for index in range(matrix.shape[1]) if index not in categories]
    transformer = ColumnTransformer(
        [
            *((name, FrozenEstimator(encoder), categories) for name, encoder in encoders.items()),
            ("others", "passthrough", others),
        ]
    )
    return transformer.fit(matrix), np.hstack([*columns, matrix[:, others]])


def _new_encoder(folds: int, seed: int) -> TargetEncoder:
    """Rare categories are drawn to the mean of all rides by the encoder's empirical Bayes."""
    split = KFold(n_splits=folds, shuffle=True, random_state=seed)
    return TargetEncoder(target_type="continuous", cv=split)
