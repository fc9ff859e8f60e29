"""Trips in, a registered version of the model out."""

import contextlib
import hashlib
import platform
import tempfile
import warnings
from pathlib import Path
from typing import Final

import mlflow
import msgspec
import numpy as np
import pandas as pd
import sklearn
import skops
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.models.model import ModelInfo
from numpy.typing import NDArray
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.pipeline import Pipeline
from skops.io import dump, get_untrusted_types

from infra.console import UserError
from ride_scoring import features
from ride_scoring.events import FIRST_ZONE, LAST_ZONE, MAX_DISTANCE_MILES
from ride_scoring.model_store import GoldenRow
from stream_sim.trips import Trips
from training import tracking
from training.pipeline import FEATURES, new_pipeline

MIN_MINUTES: Final = 1.0
MAX_MINUTES: Final = 60.0
"""Shorter and longer trips are left out, as the MLOps Zoomcamp does."""
GOLDEN_ROWS_FILE: Final = "golden_rows.json"
_HELD_OUT: Final = 0.2
_FEWEST_TRIPS: Final = 200
_GOLDEN_ROWS: Final = 20


class TrainedModel(msgspec.Struct, frozen=True):
    """A version in the registry."""

    name: str
    version: str
    run_id: str
    rides: int
    rmse_minutes: float
    mae_minutes: float


def train(trips: Trips, source: str, name: str, alias: str, seed: int) -> TrainedModel:
    """Fits on the earlier trips, measures on the later ones, registers, and sets the alias."""
    kept = trips.where(_usable(trips))
    if len(kept) < _FEWEST_TRIPS:
        raise UserError(
            f"{source} has {len(kept)} usable trips of {len(trips)}: at least {_FEWEST_TRIPS} of "
            f"{MIN_MINUTES:.0f} to {MAX_MINUTES:.0f} minutes are needed"
        )
    kept = kept.where(np.argsort(kept.pickup, kind="stable"))
    matrix = feature_matrix(kept)
    split = int(len(kept) * (1 - _HELD_OUT))
    pipeline = new_pipeline(seed).fit(matrix[:split], kept.duration_minutes[:split])
    metrics = _metrics(kept.duration_minutes[split:], pipeline.predict(matrix[split:]))
    parameters = {
        "source": source,
        "seed": seed,
        "rides": len(kept),
        "rides_left_out": len(trips) - len(kept),
        "data_sha256": hashlib.sha256(matrix.tobytes()).hexdigest(),
        "python": platform.python_version(),
        "scikit_learn": sklearn.__version__,
    }
    client = tracking.client()
    with mlflow.start_run() as run:
        mlflow.log_params(parameters)
        mlflow.log_metrics(metrics)
        mlflow.log_dict(
            msgspec.to_builtins(_golden_rows(pipeline, kept.where(slice(split, None)))),
            GOLDEN_ROWS_FILE,
        )
        info = _log_model(pipeline, matrix)
    version = _register(client, name, info)
    client.set_registered_model_alias(name, alias, version)
    return TrainedModel(
        name, version, run.info.run_id, len(kept), metrics["rmse_minutes"], metrics["mae_minutes"]
    )


def feature_matrix(trips: Trips) -> NDArray[np.float64]:
    """The features of n trips, shape (n, 6): by the function's own code."""
    return features.matrix(FEATURES, trips.rides(), [0.0] * len(trips))


def _usable(trips: Trips) -> NDArray[np.bool_]:
    """The course's 1 to 60 minutes, and what the function would score at all."""
    within = [
        (trips.duration_minutes, MIN_MINUTES, MAX_MINUTES),
        (trips.distance_miles, 0.0, MAX_DISTANCE_MILES),
        (trips.pickup_zone, FIRST_ZONE, LAST_ZONE),
        (trips.dropoff_zone, FIRST_ZONE, LAST_ZONE),
    ]
    usable = np.ones(len(trips), dtype=np.bool_)
    for column, low, high in within:
        usable &= (low <= column) & (column <= high)
    return usable


def _metrics(actual: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    served = np.maximum(predicted, 0.0)  # as the function serves them
    return {
        "rmse_minutes": float(root_mean_squared_error(actual, served)),
        "mae_minutes": float(mean_absolute_error(actual, served)),
    }


def _golden_rows(pipeline: Pipeline, trips: Trips) -> list[GoldenRow]:
    """Some rides spread over the held-out ones, with the minutes that a function must give."""
    chosen = trips.where(np.linspace(0, len(trips) - 1, _GOLDEN_ROWS).astype(np.int64))
    minutes = pipeline.predict(feature_matrix(chosen)).tolist()
    return [GoldenRow(*row) for row in zip(chosen.rides(), minutes, strict=True)]


def _log_model(pipeline: Pipeline, matrix: NDArray[np.float64]) -> ModelInfo:
    example = pd.DataFrame(matrix[:5], columns=list(FEATURES))
    with warnings.catch_warnings():
        # MLflow tries the example as a frame. The signature puts its columns in order, which is all
        # that a pipeline fitted on a matrix needs, but scikit-learn misses the names.
        warnings.filterwarnings("ignore", "X has feature names", UserWarning)
        info: ModelInfo = mlflow.sklearn.log_model(
            pipeline,
            name="model",
            serialization_format="skops",  # a pickle could run any code where it is read
            skops_trusted_types=_types(pipeline),
            signature=infer_signature(example, pipeline.predict(matrix[:5])),
            input_example=example,
            pip_requirements=[
                f"scikit-learn=={sklearn.__version__}",
                f"skops=={skops.__version__}",
            ],
        )
    return info


def _register(client: MlflowClient, name: str, info: ModelInfo) -> str:
    """The number of the new version."""
    with contextlib.suppress(MlflowException):  # it is there already
        client.create_registered_model(name)
    version = client.create_model_version(
        name, source=info.model_uri, run_id=info.run_id, model_id=info.model_id
    )
    return str(version.version)


def _types(pipeline: Pipeline) -> list[str]:
    """The types in the pipeline that skops does not trust by itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        dump(pipeline, path)
        return list(get_untrusted_types(file=path))
