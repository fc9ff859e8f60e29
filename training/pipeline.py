"""The model: which features it takes, and the scikit-learn pipeline that learns from them."""

from typing import Final

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder

FEATURES: Final = ("PU_DO", "PULocationID", "DOLocationID", "trip_distance", "hour", "weekday")
"""Columns of the feature matrix, in order; names of the catalogue in `ride_scoring.features`."""


def new_pipeline(seed: int) -> Pipeline:
    """Takes a matrix of `FEATURES`, shape (n, 6), and learns minutes, shape (n,).

    Each pair of zones stands for the mean duration of its rides, cross-fitted so that a ride does
    not see its own; boosted trees do the rest.
    """
    folds = KFold(n_splits=5, shuffle=True, random_state=seed)
    pair = TargetEncoder(target_type="continuous", cv=folds)
    return Pipeline(
        [
            (
                "encode",
                ColumnTransformer(
                    [("pair", pair, [FEATURES.index("PU_DO")])], remainder="passthrough"
                ),
            ),
            (
                "regress",
                HistGradientBoostingRegressor(
                    max_iter=200, max_leaf_nodes=31, early_stopping=False, random_state=seed
                ),
            ),
        ]
    )
