"""The third way to load a model: MLflow's pyfunc, for any flavour, with all of MLflow.

A model can bring code of its own along in many ways, so none is read where that is not allowed.
"""

import sys
from collections.abc import Callable
from typing import Any

from ride_scoring.errors import ModelRefused
from ride_scoring.mlmodel import NUMERIC_TYPES, Column, Description
from ride_scoring.model_files import COPY_PREFIX, ModelFiles
from ride_scoring.sklearn_flavor import ALLOW_PICKLE_VARIABLE


class PyfuncModel:
    """What takes a matrix, or the course's dicts, and gives minutes.

    It holds on to the model's files: a model may read them when it is asked, not when it is loaded.
    """

    def __init__(
        self,
        predict: Callable[[Any], object],
        columns: tuple[Column, ...] | None,
        files: ModelFiles,
    ) -> None:
        self._predict = predict
        self._columns = columns
        self.files = files

    def predict(self, taken: Any) -> object:  # noqa: ANN401 - a matrix, or a list of dicts
        if self._columns is None:
            return self._predict(taken)
        import pandas as pd  # noqa: PLC0415 - MLflow has imported it

        frame = pd.DataFrame(taken, columns=[column.name for column in self._columns])
        types = {column.name: NUMERIC_TYPES[column.type] for column in self._columns}
        return self._predict(frame.astype(types))


def load(files: ModelFiles, description: Description, *, allow_pickle: bool) -> PyfuncModel:
    """The model as MLflow loads it. Raises `ModelRefused`, or `OSError` where the disk is full."""
    if not allow_pickle:
        raise ModelRefused(
            "the model wants MLflow's pyfunc, which may run code of the model's own: allow it with "
            f"{ALLOW_PICKLE_VARIABLE}=true"
        )
    import mlflow.pyfunc  # noqa: PLC0415 - seconds of start-up, for models of this way alone

    location = files.mlflow_location()
    _forget_code_of_others()
    try:
        predict: Callable[[Any], object] = mlflow.pyfunc.load_model(location).predict
    except (OSError, MemoryError):
        raise
    except Exception as error:  # each flavour fails in its own way
        raise ModelRefused(
            f"MLflow cannot load the model: {type(error).__name__}: {error}"
        ) from error
    return PyfuncModel(predict, description.inputs, files)


def _forget_code_of_others() -> None:
    """Another version may hold modules of the same names, which would be found first."""
    sys.path[:] = [folder for folder in sys.path if COPY_PREFIX not in folder]
    for name, module in list(sys.modules.items()):
        if COPY_PREFIX in (getattr(module, "__file__", None) or ""):
            del sys.modules[name]
