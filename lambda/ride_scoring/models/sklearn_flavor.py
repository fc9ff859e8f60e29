"""The second way to load a model: MLflow's scikit-learn flavour, read without importing MLflow.

skops runs no code, and may name only scikit-learn's classes as types. A pickle, which can run any
code when it is loaded, is loaded only if that is allowed.
"""

import importlib
import io
import logging
import pickle
import warnings
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from ride_scoring.errors import ModelRefused
from ride_scoring.models import fitted_on, mlmodel
from ride_scoring.models.files import ModelFiles
from ride_scoring.models.inputs import ModelInputs
from ride_scoring.models.mlmodel import Description

ALLOW_PICKLE_VARIABLE: Final = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"
_TRUSTED_ROOT: Final = "sklearn."
"""An MLmodel file names the types to trust, so whoever can write a model could name any. Only
scikit-learn's classes are accepted: a function, even one of NumPy's, could run text as code."""
_MOST_UNPACKED: Final = 20
"""Maximum ratio of unpacked to packed size: skops does not compress, and others compress less."""

logger = logging.getLogger(__name__)


class Estimator(Protocol):
    """What scikit-learn's regressors have."""

    def predict(self, X: object, /) -> object: ...  # noqa: N803 - scikit-learn's name


class _Flavor(msgspec.Struct, frozen=True):
    """The parts of MLflow's scikit-learn flavour that are used."""

    pickled_model: str
    serialization_format: str = "pickle"
    sklearn_version: str | None = None
    skops_trusted_types: list[str] | None = None


class Loaded(NamedTuple):
    """An estimator's `predict`, and what it takes."""

    takes: ModelInputs
    predict: Callable[[Any], object]


def load(files: ModelFiles, description: Description, *, allow_pickle: bool) -> Loaded:
    """Raises `ModelRefused`."""
    fitted = estimator(files, description, allow_pickle=allow_pickle)
    takes = fitted_on.inputs_of(fitted, description)
    return Loaded(takes, _predict(fitted, takes, description))


def estimator(files: ModelFiles, description: Description, *, allow_pickle: bool) -> Estimator:
    """What was fitted. Raises `ModelRefused`."""
    try:
        flavor = msgspec.convert(description.flavors["sklearn"], _Flavor)
    except msgspec.ValidationError as error:
        raise ModelRefused(f"MLmodel's sklearn flavour is damaged: {error}") from error
    if flavor.serialization_format != "skops" and not allow_pickle:
        raise ModelRefused(
            f"the model is stored as {flavor.serialization_format}, which can run arbitrary code "
            "when it is loaded: log it with serialization_format='skops', or allow it with "
            f"{ALLOW_PICKLE_VARIABLE}=true"
        )
    content = files.find(flavor.pickled_model)
    if content is None:
        raise ModelRefused(f"the model directory lacks {flavor.pickled_model}, which MLmodel names")
    _compare_versions(flavor.sklearn_version)
    return _read(flavor, content)


def _compare_versions(trained_with: str | None) -> None:
    import sklearn  # noqa: PLC0415 - a package without it can still hold the other ways

    if trained_with != sklearn.__version__:
        logger.warning(
            "the model was trained with scikit-learn %s, and is served by %s: its predictions may "
            "differ",
            trained_with or "of an unknown version",
            sklearn.__version__,
        )


def _read(flavor: _Flavor, content: bytes) -> Estimator:
    with warnings.catch_warnings():
        # scikit-learn's own word on versions, once for each part of the model.
        warnings.filterwarnings("ignore", "Trying to unpickle estimator", UserWarning)
        try:
            if flavor.serialization_format == "skops":
                found = _from_skops(content, flavor.skops_trusted_types or [])
            else:
                found = pickle.loads(content)  # noqa: S301 - allowed by who deploys
            return _predicting(found)
        except ModelRefused:
            raise
        except Exception as error:  # a damaged file can fail anywhere inside either
            raise ModelRefused(
                f"the model's file {flavor.pickled_model} cannot be read: {error}"
            ) from error


def _from_skops(content: bytes, named_types: Sequence[str]) -> object:
    import skops.io  # noqa: PLC0415 - a package without it can still hold the other ways
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415

    _require_unpackable(content)
    trusted = [name for name in named_types if _is_class_of_scikit_learn(name)]
    try:
        found: object = skops.io.loads(content, trusted=trusted)
    except UntrustedTypesFoundException as error:
        raise ModelRefused(f"the model holds types that are not trusted: {error}") from error
    return found


def _predicting(found: object) -> Estimator:
    """Raises `ModelRefused` unless the loaded object can predict."""
    if not callable(getattr(found, "predict", None)):
        raise ModelRefused(f"the model's file holds no estimator: {type(found).__name__}")
    return cast("Estimator", found)


def _require_unpackable(content: bytes) -> None:
    """Refuses a zip bomb. skops unpacks each file whole, to the size stated in the archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unpacked_bytes = sum(item.file_size for item in archive.infolist())
    if unpacked_bytes > _MOST_UNPACKED * len(content):
        raise ModelRefused(
            f"the model's file of {len(content):,} bytes would unpack to {unpacked_bytes:,}, more "
            f"than {_MOST_UNPACKED} times as much: a zip bomb"
        )


def _is_class_of_scikit_learn(name: str) -> bool:
    if not name.startswith(_TRUSTED_ROOT):
        return False
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return False
    return isinstance(found, type) and found.__module__.startswith(_TRUSTED_ROOT)


def _predict(
    fitted: Estimator, takes: ModelInputs, description: Description
) -> Callable[[Any], object]:
    """Takes what `takes` gives, and passes it on as pyfunc would."""
    predict = fitted.predict
    if takes.shape == "dicts":
        return predict
    if takes.shape == "columns":
        return lambda columns: predict(mlmodel.frame(columns, description))
    if hasattr(fitted, "feature_names_in_"):  # fitted on a frame, it may ask for names
        import pandas as pd  # noqa: PLC0415 - most of the start-up, and not every model asks

        names = list(takes.names)
        return lambda matrix: predict(pd.DataFrame(_rounded(matrix, description), columns=names))
    return lambda matrix: predict(_rounded(matrix, description))


def _rounded(matrix: NDArray[np.float64], description: Description) -> NDArray[np.float64]:
    for index in description.single_columns:
        matrix[:, index] = matrix[:, index].astype(np.float32)
    return matrix
