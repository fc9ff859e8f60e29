"""The MLOps Zoomcamp's linear model: a weight for each pair of zones seen, and one for a mile."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from ride_scoring.domain import features
from ride_scoring.domain.events import Ride


def fit(rides: Sequence[Ride], minutes: NDArray[np.float64]) -> Pipeline:
    """Takes n rides and their durations in minutes; the pipeline takes `features.course_dicts`."""
    steps = [("vectorize", DictVectorizer()), ("regress", LinearRegression())]
    return Pipeline(steps).fit(features.course_dicts(rides), minutes)
