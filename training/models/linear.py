"""The MLOps Zoomcamp's linear model: one weight per known zone pair, and one per mile."""

from typing import Final

from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from ride_scoring.domain import features
from ride_scoring.models.inputs import ModelInputs
from training.models.kind import Fitted, ModelKind, NoHyperparameters
from trips.columns import Trips


def _fit(trips: Trips, _: NoHyperparameters, __: int) -> Fitted:
    pipeline = Pipeline([("vectorize", DictVectorizer()), ("regress", LinearRegression())])
    taken = features.course_dicts(trips.rides())
    return Fitted(
        pipeline.fit(taken, trips.duration_minutes), ModelInputs(features.COURSE_FIELDS, "dicts")
    )


LINEAR: Final = ModelKind("linear", "course linear", NoHyperparameters, _fit)
