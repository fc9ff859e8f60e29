"""Target encodings of categories.

The training encodings are cross-fitted: a ride's are computed from the other folds, so that its own
target does not leak. Later rides get encodings from all training rides.
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
    """A fitted transformer for later rides, and the cross-fitted columns of the training rides.

    `matrix` has shape (n, k); `categories` are indices of its columns. Each target, shape (n,),
    yields one column per category; the other columns follow, unchanged.
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
    """Rare categories are shrunk towards the overall mean by the encoder's empirical Bayes."""
    split = KFold(n_splits=folds, shuffle=True, random_state=seed)
    return TargetEncoder(target_type="continuous", cv=split)
