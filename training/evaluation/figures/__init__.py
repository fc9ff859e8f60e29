"""Figures of a model's predictions and evaluation, by name."""

from matplotlib.figure import Figure

from ride_scoring.domain import slices
from training.evaluation.evaluation import Evaluation
from training.evaluation.figures.canvas import png
from training.evaluation.figures.intervals import (
    importance_of_groups,
    models_compared,
    rmse_by,
    rmse_by_hour,
)
from training.evaluation.figures.predictions import calibration, error_histogram, residuals
from training.evaluation.importance import Importance
from training.evaluation.metrics import Minutes

__all__ = ["figures", "models_compared", "png"]


def figures(
    actual: Minutes,
    predicted: Minutes,
    evaluation: Evaluation,
    importance: Importance | None = None,
) -> dict[str, Figure]:
    """One model's figures; minutes have shape (n,). No importance, no figure of it."""
    drawn = {
        "calibration": calibration(actual, predicted),
        "residuals": residuals(actual, predicted),
        "errors": error_histogram(actual, predicted, evaluation.metrics),
        "rmse_by_hour": rmse_by_hour(evaluation, evaluation.along(slices.HOUR)),
        "rmse_by_borough": rmse_by(slices.BOROUGH, evaluation, evaluation.along(slices.BOROUGH)),
        "rmse_by_distance": rmse_by(slices.DISTANCE, evaluation, evaluation.along(slices.DISTANCE)),
        "rmse_by_pair": rmse_by(slices.PAIR, evaluation, evaluation.along(slices.PAIR)),
    }
    if importance is not None:
        drawn["importance"] = importance_of_groups(importance)
    return drawn
