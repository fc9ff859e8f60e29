"""The third way to load a model: MLflow's pyfunc, for any flavour, with all of MLflow.

Such a model can contain code in many ways, so none is loaded unless that is allowed.
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ride_scoring.errors import ModelRefused
from ride_scoring.models.files import COPY_PREFIX, ModelFiles
from ride_scoring.models.mlmodel import NUMERIC_TYPES, Column, Description
from ride_scoring.models.sklearn_flavor import ALLOW_PICKLE_VARIABLE


class PyfuncModel:
    """Takes a matrix, or dicts, and returns numbers.

    Keeps the model's files and code, as a model may read files and import modules when it predicts,
    not only when it is loaded.
    """

    def __init__(
        self,
        predict: Callable[[Any], object],
        columns: tuple[Column, ...] | None,
        files: ModelFiles,
        code: "_Code",
    ) -> None:
        self._predict = predict
        self._columns = columns
        self._code = code
        self.files = files

    def predict(self, taken: Any) -> object:  # noqa: ANN401 - a matrix, or a list of dicts
        self._code.put_in_place()
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
            "the model needs MLflow's pyfunc, which may run the model's own code: allow it with "
            f"{ALLOW_PICKLE_VARIABLE}=true"
        )
    import mlflow.pyfunc  # noqa: PLC0415 - seconds of start-up, for models of this way alone

    location = files.mlflow_location()
    code = _Code()
    code.put_in_place()
    try:
        predict: Callable[[Any], object] = mlflow.pyfunc.load_model(location).predict
    except (OSError, MemoryError):
        raise
    except Exception as error:  # each flavour fails in its own way
        raise ModelRefused(
            f"MLflow cannot load the model: {type(error).__name__}: {error}"
        ) from error
    return PyfuncModel(predict, description.inputs, files, code)


class _Code:
    """The Python code of one version: its entries in `sys.path`, and its imported modules.

    Versions have modules of the same names, and Python holds only one module of each name. So the
    modules of the version in use are put in place, and those of the other version are removed, also
    after a new version was refused and the previous one keeps serving.
    """

    _in_place: "_Code | None" = None

    def __init__(self) -> None:
        self._folders: list[str] = []
        self._modules: dict[str, ModuleType] = {}

    def put_in_place(self) -> None:
        if _Code._in_place is self:
            return
        folders = [folder for folder in sys.path if COPY_PREFIX in folder]
        modules = {name: module for name, module in sys.modules.items() if _is_a_copys(module)}
        if (other := _Code._in_place) is not None:
            other._folders, other._modules = folders, modules  # noqa: SLF001 - of its own kind
        sys.path[:] = [*self._folders, *(path for path in sys.path if path not in folders)]
        for name in modules:
            del sys.modules[name]
        sys.modules.update(self._modules)
        _Code._in_place = self


def _is_a_copys(module: ModuleType) -> bool:
    """Whether the module, or a namespace package's folder, lies in a copy of a model."""
    file = getattr(module, "__file__", None)
    places = [file] if file else getattr(module, "__path__", None) or ()
    return any(COPY_PREFIX in str(place) for place in places)
