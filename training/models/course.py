"""The MLOps Zoomcamp's linear model: one weight per known zone pair, and one per mile."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from ride_scoring.domain import features
from ride_scoring.domain.events import Ride


def fit(rides: Sequence[Ride], minutes: NDArray[np.float64]) -> Pipeline:
    """Fits on n rides and their minutes; the pipeline takes `features.course_dicts`."""
    steps = [("vectorize", DictVectorizer()), ("regress", LinearRegression())]
    return Pipeline(steps).fit(features.course_dicts(rides), minutes)
