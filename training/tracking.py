"""MLflow, quiet and configured: a local SQLite store, or what MLFLOW_TRACKING_URI names."""

import logging
import os
from typing import Final

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from infra.console import UserError
from infra.paths import ROOT

EXPERIMENT: Final = "ride-duration"


def client() -> MlflowClient:
    """A client of the tracking store and registry. Raises `UserError` where it cannot be used."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # MLflow's own default, but in the checkout's root wherever a command is run from.
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    try:
        found = MlflowClient()
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            mlflow.create_experiment(EXPERIMENT, _artifacts(uri))
        mlflow.set_experiment(EXPERIMENT)
    except MlflowException as error:
        raise UserError(f"MLflow at {uri} cannot be used: {error.message}") from error
    return found


def _artifacts(uri: str) -> str | None:
    """Beside the SQLite file; a tracking server knows a place of its own."""
    path = uri.removeprefix("sqlite:///")
    return None if path == uri else (ROOT / path).with_name("mlruns").as_uri()
