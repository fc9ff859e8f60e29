"""An MLflow model directory in, a model that scores rides out.

The scikit-learn flavour's own file is read without importing MLflow: that is half of the start-up.
"""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from ride_scoring import features
from ride_scoring.errors import ModelRefused
from ride_scoring.events import Ride

_TRUSTED_ROOT: Final = "sklearn."
"""An MLmodel file names the types it wants trusted, so whoever can write a model could name any.
Only classes of scikit-learn are taken from its list: a function, even one of NumPy's, could be one
that runs text as code."""


class _SklearnFlavor(msgspec.Struct, frozen=True):
    """What MLflow writes of a scikit-learn model, as far as it is read."""

    pickled_model: str
    serialization_format: str = "pickle"
    skops_trusted_types: list[str] | None = None


class Estimator(Protocol):
    """What scikit-learn's regressors have."""

    def predict(self, X: object, /) -> NDArray[np.float64]: ...  # noqa: N803 - scikit-learn's name


class RideModel:
    """A model of one version. `features` is None for a model without a signature."""

    def __init__(self, estimator: Estimator, feature_names: Sequence[str] | None) -> None:
        self.features = feature_names
        self._estimator = estimator

    def predict(self, rides: Sequence[Ride], arrived_at: Sequence[float]) -> NDArray[np.float64]:
        """Minutes for each ride, shape (n,). Raises `ModelRefused` for another shape."""
        if self.features is None:
            taken: object = features.course_dicts(rides)
        else:
            taken = features.matrix(self.features, rides, arrived_at)
        minutes = np.asarray(self._estimator.predict(taken))
        if minutes.shape != (len(rides),):
            raise ModelRefused(f"the model gave {minutes.shape} numbers for {len(rides)} rides")
        return minutes


def load(directory: Path) -> RideModel:
    """The model in an MLflow model directory. Raises `ModelRefused`."""
    description = _description(directory)
    feature_names = _signature_inputs(description)
    if feature_names is not None:
        features.require_known(feature_names)
    return RideModel(_estimator(directory, description), feature_names)


def _description(directory: Path) -> dict[str, Any]:
    try:
        description = yaml.load((directory / "MLmodel").read_bytes(), yaml.CSafeLoader)
        flavors = description["flavors"].keys()
    except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise ModelRefused(f"{directory} has no readable MLmodel file: {error}") from error
    if "sklearn" not in flavors:
        raise ModelRefused(
            f"the model has the flavours {', '.join(flavors)}; this function serves sklearn"
        )
    return dict(description)


def _signature_inputs(description: dict[str, Any]) -> tuple[str, ...] | None:
    """The names of the signature's columns, in order. MLflow keeps them as JSON inside YAML."""
    if not (signature := description.get("signature")):
        return None
    try:
        return tuple(column["name"] for column in json.loads(signature["inputs"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRefused("the model's signature has no named columns as inputs") from error


def _estimator(directory: Path, description: dict[str, Any]) -> Estimator:
    try:
        flavor = msgspec.convert(description["flavors"]["sklearn"], _SklearnFlavor)
    except msgspec.ValidationError as error:
        raise ModelRefused(f"MLmodel's sklearn flavour is damaged: {error}") from error
    if flavor.serialization_format != "skops":
        raise ModelRefused(
            f"the model is stored as {flavor.serialization_format}, which can run any code when it "
            "is read; log it with serialization_format='skops'"
        )
    path = directory / flavor.pickled_model
    if not path.resolve().is_relative_to(directory.resolve()):
        raise ModelRefused(f"MLmodel names {flavor.pickled_model}, outside the model directory")
    return _read_skops(path, flavor.skops_trusted_types or [])


def _read_skops(path: Path, named_types: Sequence[str]) -> Estimator:
    # Imported here: it brings scikit-learn and scipy, which a refused model never needs.
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    trusted = [name for name in named_types if _is_class_of_scikit_learn(name)]
    try:
        estimator: Estimator = skops.io.load(path, trusted=trusted)
    except UntrustedTypesFoundException as error:
        raise ModelRefused(f"the model holds types that are not trusted: {error}") from error
    except Exception as error:  # a damaged file can fail anywhere inside skops
        raise ModelRefused(f"the model's file {path.name} cannot be read: {error}") from error
    return estimator


def _is_class_of_scikit_learn(name: str) -> bool:
    if not name.startswith(_TRUSTED_ROOT):
        return False
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        return False
    return isinstance(found, type) and found.__module__.startswith(_TRUSTED_ROOT)
