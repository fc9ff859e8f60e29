"""Evaluates a model's predictions on the validation data."""

import msgspec

from training.evaluation import bootstrap
from training.evaluation.bootstrap import Mask
from training.evaluation.interval import Interval
from training.evaluation.metrics import Metrics, Minutes, measure
from training.evaluation.slices import slices
from trips.columns import Trips


class Data(msgspec.Struct, frozen=True):
    """Identifies a data set: a name for people, and a digest to compare by."""

    name: str
    sha256: str


class SliceMetrics(msgspec.Struct, frozen=True):
    """The metrics of one slice: the rides with one value in one dimension."""

    dimension: str
    value: str
    metrics: Metrics
    rmse_interval: Interval | None
    """None if there are too few rides or hours."""


class Evaluation(msgspec.Struct, frozen=True):
    """A model's results on the validation data."""

    data: Data
    metrics: Metrics
    intervals: dict[str, Interval]
    """95 % interval by metric name; empty if the rides span too few hours."""
    slices: list[SliceMetrics]

    def along(self, dimension: str) -> list[SliceMetrics]:
        """The slices of one dimension, in order."""
        return [part for part in self.slices if part.dimension == dimension]


def evaluate(trips: Trips, predicted: Minutes, seen: Mask, data: Data, seed: int) -> Evaluation:
    """Evaluates n predictions in minutes, shape (n,), against the trips' durations.

    `seen`: which rides' zone pairs occur in the training data, shape (n,). Raises `ValueError` if
    shapes differ, values are not finite or there are no rides.
    """
    parts = slices(trips, seen)
    rmse = bootstrap.rmse_intervals(trips, predicted, [part.mask for part in parts], seed)
    return Evaluation(
        data=data,
        metrics=measure(trips.duration_minutes, predicted),
        intervals=bootstrap.intervals(trips, predicted, seed),
        slices=[
            SliceMetrics(
                dimension=part.dimension,
                value=part.value,
                metrics=measure(trips.duration_minutes[part.mask], predicted[part.mask]),
                rmse_interval=interval,
            )
            for part, interval in zip(parts, rmse, strict=True)
        ],
    )
