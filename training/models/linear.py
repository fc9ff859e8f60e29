"""The MLOps Zoomcamp's linear model: one weight per known zone pair, and one per mile."""

from typing import Final

from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from ride_scoring import domain
from training.models.kind import Fitted, ModelKind, NoHyperparameters
from trips.columns import Trips


def _fit(trips: Trips, _: NoHyperparameters, __: int) -> Fitted:
    pipeline = Pipeline([("vectorize", DictVectorizer()), ("regress", LinearRegression())])
    taken = domain.dicts(trips.rides())
    return Fitted(pipeline.fit(taken, trips.duration_minutes), None)


LINEAR: Final = ModelKind("linear", "course linear", NoHyperparameters, _fit)
