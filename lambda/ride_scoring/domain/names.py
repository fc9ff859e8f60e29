"""What a deployment's parts are called unless its settings name them otherwise."""

from typing import Final

MODEL_NAME: Final = "ride-duration"
"""The model's name in the registry, in the store and in predictions."""
PINNED_MODEL_NAME: Final = "ride_duration_prediction_model"
"""A pinned model's name in predictions: what the MLOps Zoomcamp's function calls its model,
whatever it is registered as."""
PREDICTIONS_STREAM_NAME: Final = "ride_predictions"
