"""Small models, in MLflow directories as MLflow writes them, as far as they are read."""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
import yaml
from sklearn.linear_model import LinearRegression

from ride_scoring import compiled
from training.compile import compile_model


def mlmodel(
    inputs: Sequence[str] | None, flavor: Mapping[str, Any], pyfunc: Mapping[str, Any] | None = None
) -> bytes:
    """An MLmodel file of the scikit-learn flavour."""
    description: dict[str, Any] = {
        "flavors": {
            "sklearn": dict(flavor),
            "python_function": {"loader_module": "mlflow.sklearn", "predict_fn": "predict"}
            | dict(pyfunc or {}),
        },
        "run_id": "run-7",
    }
    if inputs is not None:
        columns = [{"type": "double", "name": name, "required": True} for name in inputs]
        description["signature"] = {"inputs": json.dumps(columns), "outputs": None, "params": None}
    return yaml.safe_dump(description).encode()


def skops_flavor(**changes: Any) -> dict[str, Any]:
    return {
        "pickled_model": "model.skops",
        "serialization_format": "skops",
        "sklearn_version": "1.9.1",
        "skops_trusted_types": None,
    } | changes


@functools.cache
def linear(*coefficients: float) -> LinearRegression:
    """Gives the sum of its columns, each times its coefficient."""
    width = len(coefficients)
    matrix = np.vstack([np.zeros(width), np.eye(width)])
    model = LinearRegression().fit(matrix, matrix @ np.array(coefficients))
    model.coef_, model.intercept_ = np.array(coefficients), 0.0
    return model


@functools.cache
def compiled_directory(minutes_a_mile: float) -> Mapping[str, bytes]:
    """The files of a compiled model that gives so many minutes for each mile."""
    estimator = linear(minutes_a_mile)
    files = {
        "MLmodel": mlmodel(["trip_distance"], skops_flavor()),
        "model.skops": skops.io.dumps(estimator),
    }
    sources = {path: hashlib.sha256(body).hexdigest() for path, body in files.items()}
    parity = compiled.Parity(rides=1, largest_difference_minutes=0.0)
    files[compiled.FILE] = compile_model(estimator, ["trip_distance"], sources, parity)
    return files


def write(files: Mapping[str, bytes], directory: Path) -> Path:
    for path, body in files.items():
        (directory / path).write_bytes(body)
    return directory
