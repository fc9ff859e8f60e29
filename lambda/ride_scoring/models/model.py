"""Loads an MLflow model directory in the leanest of three ways.

compiled     the ONNX file that the publisher made of it
sklearn      the scikit-learn flavour's own file, without MLflow
pyfunc       MLflow itself, for any flavour
"""

import importlib.util
import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ride_scoring import domain
from ride_scoring.errors import ModelRefused
from ride_scoring.models import compiled
from ride_scoring.models.files import ModelFiles
from ride_scoring.models.inputs import ModelInputs, matrix_of

Way = Literal["compiled", "sklearn", "pyfunc"]

logger = logging.getLogger(__name__)


class LoadedModel:
    """A model of one version, and what it takes of each event. Raises `ModelRefused` if it takes
    what no event has."""

    def __init__(self, way: Way, takes: ModelInputs, predict: Callable[[Any], object]) -> None:
        domain.require_known(takes.fields)
        self.way: Way = way
        self.takes = takes
        self._predict = predict

    def predict(
        self, inputs: Sequence[domain.Input], arrived_at: Sequence[float]
    ) -> NDArray[np.float64]:
        """A number for each input, shape (n,). Raises `ModelRefused` for another shape."""
        return self.predict_taken(self.takes.of(inputs, arrived_at), len(inputs))

    def predict_taken(self, taken: object, count: int) -> NDArray[np.float64]:
        """The same for `count` inputs in the shape that the model takes."""
        numbers = np.asarray(self._predict(taken), dtype=np.float64)
        if numbers.shape not in {(count,), (count, 1)}:
            raise ModelRefused(f"the model gave {numbers.shape} numbers for {count} events")
        return numbers.reshape(-1)


def load(files: ModelFiles, *, allow_pickle: bool = False) -> LoadedModel:
    """The model in an MLflow model directory. Raises `ModelRefused` or `ModelUnavailable`."""
    loaded = _load(files, allow_pickle=allow_pickle)
    logger.info("model loaded by way of %s", loaded.way)
    return loaded


def _load(files: ModelFiles, *, allow_pickle: bool) -> LoadedModel:
    if _installed("onnxruntime") and (content := files.find(compiled.FILE)) is not None:
        compiled_model = compiled.load(content, files)
        takes = matrix_of(compiled_model.metadata.features)
        return LoadedModel("compiled", takes, compiled_model.predict)
    return load_source(files, allow_pickle=allow_pickle)


def load_source(files: ModelFiles, *, allow_pickle: bool) -> LoadedModel:
    """The model as MLflow wrote it, whether or not it is compiled. Raises like `load`."""
    # Imported here: a compiled model needs none of them.
    from ride_scoring.models import mlmodel, pyfunc, sklearn_flavor  # noqa: PLC0415

    description = mlmodel.read(files)
    if description.is_plain_sklearn and _installed("sklearn"):
        fitted = sklearn_flavor.load(files, description, allow_pickle=allow_pickle)
        return LoadedModel("sklearn", fitted.takes, fitted.predict)
    if _installed("mlflow"):
        pyfunc_model = pyfunc.load(files, description, allow_pickle=allow_pickle)
        return LoadedModel("pyfunc", pyfunc_model.takes, pyfunc_model.predict)
    raise ModelRefused(
        f"the model has the flavours {', '.join(description.flavors)} and no {compiled.FILE}, "
        "which is all that this package reads: publish a model that compiles, or deploy the "
        "container image, which reads any"
    )


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
