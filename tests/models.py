"""Small models, in MLflow directories as MLflow writes them, as far as they are read."""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import skops.io
import yaml
from sklearn.linear_model import LinearRegression

from ride_scoring.models import compiled
from ride_scoring.models.inputs import matrix_of
from training.compiler import compile_model


def mlmodel(
    inputs: Sequence[str] | None, flavor: Mapping[str, Any], pyfunc: Mapping[str, Any] | None = None
) -> bytes:
    """An MLmodel file of the scikit-learn flavour."""
    description: dict[str, Any] = {
        "flavors": {
            "sklearn": dict(flavor),
            "python_function": {
                "loader_module": "mlflow.sklearn",
                "model_path": "model.skops",
                "predict_fn": "predict",
            }
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
    parity = compiled.Parity(inputs=1, largest_difference=0.0)
    files[compiled.FILE] = compile_model(estimator, matrix_of(["trip_distance"]), sources, parity)
    return files


def always_fails() -> Mapping[str, bytes]:
    """A compiled model that passes every check, and fails on every ride."""
    files = dict(compiled_directory(9.0))
    model = onnx.load_from_string(files[compiled.FILE])
    (answer,) = (node for node in model.graph.node if node.output[0] == compiled.OUTPUT)
    answer.output[0] = "scored"
    nowhere = onnx.numpy_helper.from_array(np.array([999], dtype=np.int64), "nowhere")
    model.graph.initializer.append(nowhere)
    make_node = onnx.helper.make_node
    model.graph.node.extend(
        [
            make_node("Gather", [compiled.INPUT, "nowhere"], ["found"], axis=1),
            make_node("ReduceSum", ["found"], ["sum"], keepdims=0),
            make_node("Add", ["scored", "sum"], [compiled.OUTPUT]),
        ]
    )
    return files | {compiled.FILE: model.SerializeToString()}


def write(files: Mapping[str, bytes], directory: Path) -> Path:
    for path, body in files.items():
        (directory / path).write_bytes(body)
    return directory
