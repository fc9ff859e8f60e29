"""The first way to load a model: the ONNX file that the publisher compiled from it.

Needs no scikit-learn, scipy, pandas or MLflow. The file records which files it was compiled from,
and its largest difference from them; a mismatch is refused.
"""

import os
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain import UNIT
from ride_scoring.errors import ModelRefused
from ride_scoring.models.files import ModelFiles

FILE: Final = "compiled.onnx"
"""Its place in the model directory."""
INPUT: Final = "features"
OUTPUT: Final = "prediction"
PARITY_TOLERANCE: Final = 1e-6
"""A compiled model that differs from its source by this much is refused. In the unit of a
prediction."""

_FOLDER_OF_WEIGHTS: Final = "session.model_external_initializers_file_folder_path"
_WORTH_SORTING: Final = 64
"""Events from which on sorting a batch saves more than it costs: 8 to 15 percent for 200 trees."""
_PARTS: Final = 16
"""Of a batch, along the first feature that it is sorted by; 8 gave about the same."""


class Parity(msgspec.Struct, frozen=True):
    """How many inputs the compiled model and its source were compared on, and their difference."""

    inputs: int = msgspec.field(name="rides")
    largest_difference: float = msgspec.field(name="largest_difference_minutes")


class Metadata(msgspec.Struct, frozen=True):
    """Metadata of a compiled file. `sources` maps each path to its SHA-256 at compile time.

    `sorted_by` names the two features in whose order a large batch is scored fastest, if any do.
    """

    features: tuple[str, ...]
    sources: dict[str, str]
    parity: Parity
    sorted_by: tuple[str, str] | None = None


class CompiledModel:
    """A compiled model: a matrix of `features`, shape (n, k), in; numbers, shape (n,), out."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime as ort  # noqa: PLC0415 - a model read in another way does not pay for it

        options = ort.SessionOptions()
        # One thread per call: a function has one core, and a batch takes microseconds an event.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # It was optimised when it was compiled: looking for more costs a quarter of the opening.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_cpu_mem_arena = False  # memory that is kept is memory that is paid for
        # Weights in a file beside the model would be looked for in the working directory.
        options.add_session_config_entry(_FOLDER_OF_WEIGHTS, os.devnull)
        try:
            self._session = ort.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
            self.metadata = _metadata(self._session.get_modelmeta().custom_metadata_map)
            features = self.metadata.features
            self._sorted_by = [features.index(name) for name in self.metadata.sorted_by or ()]
        except Exception as error:  # ONNX Runtime raises many kinds for a damaged file
            raise ModelRefused(f"{FILE} cannot be used: {type(error).__name__}") from error

    def predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self._sorted_by or len(matrix) < _WORTH_SORTING:
            return self._scored(matrix)
        order = _order(*(matrix[:, index] for index in self._sorted_by))
        numbers = np.empty(len(matrix))
        numbers[order] = self._scored(matrix.take(order, axis=0))
        return numbers

    def _scored(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        (numbers,) = self._session.run(None, {INPUT: matrix})
        return np.asarray(numbers)


def _order(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.int64]:
    """The events in parts along `first`, within each part along `second`.

    Neighbours then turn the same way at most splits. Most of the time that trees take is lost on
    turns that the processor did not foresee, and it foresees the one that it took before.
    """
    part = _ranks(first) * _PARTS // len(first)
    return np.argsort(part * len(first) + _ranks(second))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Missing values come last."""
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.argsort(values)] = np.arange(len(values))
    return ranks


def load(content: bytes, files: ModelFiles) -> CompiledModel:
    """The compiled model, if it was made from the files that lie beside it, else `ModelRefused`."""
    model = CompiledModel(content)
    for path, sha256 in model.metadata.sources.items():
        if (actual := files.sha256(path)) != sha256:
            raise ModelRefused(
                f"{FILE} was compiled from another {path}: its SHA-256 was {sha256} then, and is "
                f"{actual or 'that of no file'} now; publish the version again"
            )
    if not (difference := model.metadata.parity.largest_difference) < PARITY_TOLERANCE:
        raise ModelRefused(
            f"{FILE} differs from its source model by {difference} {UNIT}; the limit is "
            f"{PARITY_TOLERANCE}"
        )
    return model


def _metadata(properties: dict[str, str]) -> Metadata:
    """Each property is JSON of its own."""
    metadata = msgspec.convert(
        {name: msgspec.json.decode(value) for name, value in properties.items()}, Metadata
    )
    if not metadata.sources:
        raise ValueError
    return metadata
