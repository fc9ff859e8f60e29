"""An MLflow model directory in, a model that scores rides out.

The scikit-learn flavour's own file is read without importing MLflow: that is half of the start-up.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import yaml
from numpy.typing import NDArray

from ride_scoring import features
from ride_scoring.errors import ModelRefused
from ride_scoring.events import Ride

_TRUSTED_ROOTS: Final = ("numpy.", "scipy.", "sklearn.")
"""An MLmodel file names the types it wants trusted, so whoever can write a model could name any:
only types of these libraries are taken from its list."""


class Estimator(Protocol):
    """What scikit-learn's regressors have."""

    def predict(self, X: object, /) -> NDArray[np.float64]: ...  # noqa: N803 - scikit-learn's name


class RideModel:
    """A model of one version. `features` is None for a model without a signature."""

    def __init__(self, estimator: Estimator, feature_names: Sequence[str] | None) -> None:
        self.features = feature_names
        self._estimator = estimator

    def predict(self, rides: Sequence[Ride], arrived_at: Sequence[float]) -> NDArray[np.float64]:
        """Minutes for each ride, shape (n,), as the estimator gives them."""
        if self.features is None:
            return np.asarray(self._estimator.predict(features.course_dicts(rides)))
        return np.asarray(
            self._estimator.predict(features.matrix(self.features, rides, arrived_at))
        )


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
    flavor = description["flavors"]["sklearn"]
    if flavor.get("serialization_format") != "skops":
        raise ModelRefused(
            f"the model is stored as {flavor.get('serialization_format', 'pickle')}, which can run "
            "any code when it is read; log it with serialization_format='skops'"
        )
    path = directory / flavor["pickled_model"]
    if not path.resolve().is_relative_to(directory.resolve()):
        raise ModelRefused(f"MLmodel names {flavor['pickled_model']}, outside the model directory")
    return _read_skops(path, flavor.get("skops_trusted_types") or [])


def _read_skops(path: Path, named_types: Sequence[str]) -> Estimator:
    # Imported here: it brings scikit-learn and scipy, which a refused model never needs.
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    trusted = [name for name in named_types if name.startswith(_TRUSTED_ROOTS)]
    try:
        estimator: Estimator = skops.io.load(path, trusted=trusted)
    except UntrustedTypesFoundException as error:
        raise ModelRefused(f"the model holds types that are not trusted: {error}") from error
    except Exception as error:  # a damaged file can fail anywhere inside skops
        raise ModelRefused(f"the model's file {path.name} cannot be read: {error}") from error
    return estimator
