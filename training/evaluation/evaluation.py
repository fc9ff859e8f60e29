"""One model's minutes for the rides of the validation data in, all its numbers out."""

import msgspec

from training.evaluation import bootstrap
from training.evaluation.bootstrap import Mask
from training.evaluation.interval import Interval
from training.evaluation.metrics import Metrics, Minutes, measure
from training.evaluation.slices import slices
from trips.columns import Trips


class Data(msgspec.Struct, frozen=True):
    """Which rides: a name for people, and a digest that tells whether they are the same."""

    name: str
    sha256: str


class SliceMetrics(msgspec.Struct, frozen=True):
    """The metrics of the rides that have one value in one dimension."""

    dimension: str
    value: str
    metrics: Metrics
    rmse_interval: Interval | None
    """None where the rides are too few or fall into too few hours."""


class Evaluation(msgspec.Struct, frozen=True):
    """How a model does on the validation data."""

    data: Data
    metrics: Metrics
    intervals: dict[str, Interval]
    """Name of a metric ▸ its 95 % interval; empty where the rides fall into too few hours."""
    slices: list[SliceMetrics]

    def along(self, dimension: str) -> list[SliceMetrics]:
        """The slices of one dimension, in its order."""
        return [part for part in self.slices if part.dimension == dimension]


def evaluate(trips: Trips, predicted: Minutes, seen: Mask, data: Data, seed: int) -> Evaluation:
    """Measures n predictions, minutes of shape (n,), against what the trips took.

    `seen` tells which rides' pair of zones was in the training data, shape (n,). Raises
    `ValueError` for shapes that differ, values that are not finite and no rides.
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
