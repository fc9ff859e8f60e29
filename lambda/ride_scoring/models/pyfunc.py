"""The third way to load a model: MLflow's pyfunc, for any flavour, with all of MLflow.

Such a model can contain code in many ways, so none is loaded unless that is allowed.
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from ride_scoring import domain
from ride_scoring.errors import ModelRefused
from ride_scoring.models import fitted_on, mlmodel
from ride_scoring.models.files import COPY_PREFIX, ModelFiles
from ride_scoring.models.inputs import ModelInputs
from ride_scoring.models.mlmodel import Description
from ride_scoring.models.sklearn_flavor import ALLOW_PICKLE_VARIABLE

_PYTHON_MODEL: Final = "mlflow.pyfunc.model"
"""The loader of models that are written in Python, which take whatever they like."""


class PyfuncModel:
    """Takes what `takes` says, and returns numbers.

    Keeps the model's files and code, as a model may read files and import modules when it predicts,
    not only when it is loaded.
    """

    def __init__(
        self,
        predict: Callable[[Any], object],
        description: Description,
        takes: ModelInputs,
        files: ModelFiles,
        code: "_Code",
    ) -> None:
        self._predict = predict
        self._description = description
        self._code = code
        self.takes = takes
        self.files = files

    def predict(self, taken: Any) -> object:  # noqa: ANN401 - its shape is that of `takes`
        self._code.put_in_place()
        if self.takes.shape == "dicts":
            return self._predict(taken)
        if self.takes.shape == "matrix":
            taken = dict(zip(self.takes.names, taken.T, strict=True))
        return self._predict(mlmodel.frame(taken, self._description))


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
        loaded = mlflow.pyfunc.load_model(location)
        takes = _takes(loaded, description)
    except (OSError, MemoryError, ModelRefused):
        raise
    except Exception as error:  # each flavour fails in its own way
        raise ModelRefused(
            f"MLflow cannot load the model: {type(error).__name__}: {error}"
        ) from error
    return PyfuncModel(loaded.predict, description, takes, files, code)


def _takes(loaded: Any, description: Description) -> ModelInputs:  # noqa: ANN401 - MLflow's own
    """What the signature asks for, or else what the parts of a model in Python were fitted on."""
    if (signed := description.takes) is not None:
        return signed
    if description.loader != _PYTHON_MODEL:
        return fitted_on.inputs_of(loaded.get_raw_model(), description)
    parts = getattr(loaded.unwrap_python_model(), "__dict__", {}).values()
    vectorizer = next((part for part in parts if fitted_on.takes_dicts(part)), None)
    if vectorizer is None:
        return ModelInputs(domain.FIELDS_UNSEEN, "dicts")
    return fitted_on.inputs_of(vectorizer, description)


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
