"""Loads a registered version as the function would serve it, with its lineage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from numpy.typing import NDArray

from infra.common.console import UserError
from ride_scoring.errors import ModelRefused, ModelUnavailable
from ride_scoring.models import model
from ride_scoring.models.files import Directory
from training.answers import pickles_are_allowed
from training.datasets import Lineage, Validation
from training.evaluation.slices import seen_pairs
from training.models.kind import Fitted
from training.registry import artifacts, model_directory
from training.registry.model_directory import ModelDirectory
from trips.columns import Trips


@dataclass(frozen=True)
class LoadedVersion:
    """A version, while its directory exists. `lineage` is None if it was registered without one,
    so that it is not known what it was trained on."""

    version: ModelVersion
    directory: ModelDirectory
    fitted: Fitted
    lineage: Lineage | None

    def require_lineage(self) -> Lineage:
        """Raises `UserError` if the version was registered without one."""
        if self.lineage is None:
            raise UserError(
                f"version {self.version.version} does not say which data it was measured on: name "
                "data that it has not seen with --validate"
            )
        return self.lineage

    def require_unseen(self, validation: Validation, *, unknown_data: bool) -> None:
        """Raises `UserError` if the version was trained on any of the validation rides, or if that
        is not known and `unknown_data` does not allow it."""
        if self.lineage is None:
            if not unknown_data:
                raise UserError(
                    f"version {self.version.version} does not say which data it was trained on, "
                    f"so it may have seen {validation.data.name}: allow that with --unknown-data"
                )
        elif self.lineage.has_seen(validation):
            raise UserError(
                f"version {self.version.version} was trained on {validation.data.name}, on which "
                "it would be measured: name other data with --validate"
            )

    def seen(self, trips: Trips) -> NDArray[np.bool_]:
        """Which of n trips have a zone pair from the version's training data, shape (n,): none, if
        it is not known."""
        if self.lineage is None:
            return np.zeros(len(trips), dtype=np.bool_)
        text = artifacts.text(self.version, artifacts.TRAINING_PAIRS)
        return seen_pairs(np.array(msgspec.json.decode(text, type=list[int])), trips)


@contextmanager
def loaded(client: MlflowClient, version: ModelVersion) -> Iterator[LoadedVersion]:
    """Raises `UserError` if the function would reject the model."""
    with model_directory.opened(client, version) as directory:
        try:
            ride_model = model.load(Directory(directory.path), allow_pickle=pickles_are_allowed())
        except (ModelRefused, ModelUnavailable) as error:
            raise UserError(
                f"{version.name} version {version.version} cannot be scored: {error}"
            ) from error
        lineage = None
        if artifacts.carries(client, version, artifacts.LINEAGE):
            text = artifacts.text(version, artifacts.LINEAGE)
            lineage = msgspec.json.decode(text, type=Lineage)
        yield LoadedVersion(
            version, directory, Fitted(_Served(ride_model), ride_model.takes), lineage
        )


class _Served:
    """Adapts the function's model to the estimator interface."""

    def __init__(self, ride_model: model.LoadedModel) -> None:
        self._model = ride_model

    def predict(self, taken: Any) -> NDArray[np.float64]:  # noqa: ANN401 - of the model's shape
        columns = self._model.takes.shape == "columns"
        return self._model.predict_taken(
            taken, len(next(iter(taken.values()))) if columns else len(taken)
        )
