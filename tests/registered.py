"""Small models in a registry of their own, for tests of what becomes of them."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from mlflow import MlflowClient
from sklearn.base import BaseEstimator

from infra.common.steps import Steps
from ride_scoring.models.inputs import ModelInputs
from training import datasets
from training.compiler import ParityReport, compile_checked
from training.models.boosted import BOOSTED, Hyperparameters
from training.train import TrainedModel, train

NAME: Final = "ride-duration"
DATA: Final = "synthetic:3000:4"
SMALL: Final = Hyperparameters(trees=20, leaves=15, folds=5)
WORSE: Final = Hyperparameters(trees=1, leaves=2, folds=5)


@cache
def _tables() -> bytes:
    """An SQLite database with MLflow's tables: its migrations take two seconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{file}").search_experiments()
        return file.read_bytes()


@contextmanager
def registry(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """An empty registry in the folder; each model in it is compiled once, as that takes seconds."""
    known: dict[str, tuple[bytes, ParityReport]] = {}

    def compile_once(
        estimator: BaseEstimator, takes: ModelInputs, sources: Mapping[str, str]
    ) -> tuple[bytes, ParityReport]:
        key = repr(sorted(sources.items()))
        if key not in known:
            known[key] = compile_checked(estimator, takes, sources)
        return known[key]

    if not (file := folder / "mlflow.db").exists():
        file.write_bytes(_tables())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setattr("training.registry.model_directory.compile_checked", compile_once)
        yield patch


def trained(
    data: str = DATA,
    *,
    alias: str = "challenger",
    hyperparameters: Hyperparameters = SMALL,
    seed: int = 0,
    validate: Sequence[str] = (),
) -> TrainedModel:
    """A version of the data, its last fifth held out unless others are named to validate on."""
    found = datasets.read([data], validate, "function")
    return train(found, NAME, alias, BOOSTED, hyperparameters, seed, Steps(quiet=True))
