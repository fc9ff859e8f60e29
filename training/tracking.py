"""Configures and quietens MLflow: a local SQLite store, or the one in MLFLOW_TRACKING_URI."""

import fcntl
import logging
import os
from contextlib import AbstractContextManager, chdir, nullcontext
from pathlib import Path
from typing import Final

import mlflow
from alembic.util.exc import CommandError
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from infra.common.console import UserError, without_password
from infra.common.paths import ROOT
from infra.common.surroundings import sqlite_address

EXPERIMENT: Final = "ride-duration"
ARTIFACTS: Final = "mlruns"
_DEFAULTS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # the files are small
    # Report an unreachable server within seconds: MLflow retries for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


_SQLITE: Final = "sqlite:///"


def uri() -> str:
    """MLflow's default, but always in the checkout's root, or MLFLOW_TRACKING_URI.

    Relative paths are made absolute: a page or a task may start in another directory.
    """
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if not named:
        return sqlite_address(ROOT / "mlflow.db")
    if not named.startswith(_SQLITE):
        return named
    path, mark, parameters = named.removeprefix(_SQLITE).partition("?")
    return f"{sqlite_address(Path(path).absolute())}{mark}{parameters}"


def _file() -> Path | None:
    """The database file, if it is SQLite."""
    if not uri().startswith(_SQLITE):
        return None
    return Path(uri().removeprefix(_SQLITE).partition("?")[0])


def client() -> MlflowClient:
    """A client of the tracking store and registry. Raises `UserError` if it cannot be used."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    _require_database()
    try:
        mlflow.set_tracking_uri(uri())
        with _in_a_plain_folder():
            found = MlflowClient()
            if mlflow.get_experiment_by_name(EXPERIMENT) is None:
                mlflow.create_experiment(EXPERIMENT, _artifacts())
            mlflow.set_experiment(EXPERIMENT)
    except (MlflowException, ValueError, SQLAlchemyError, CommandError) as error:
        said = without_password(str(error)).strip()
        reason = said.partition("(Caused by")[0].splitlines()[0].strip()
        raise UserError(
            f"MLflow at {shown()} cannot be used: {reason:.300}; start it, or fix "
            "MLFLOW_TRACKING_URI"
        ) from error
    return found


def _in_a_plain_folder() -> AbstractContextManager[None]:
    """Works around MLflow storing the working directory in its default experiment, quoted as in
    Python: PostgreSQL takes a path with an apostrophe for a column name."""
    return nullcontext() if _file() or not is_database() else chdir("/")


def shown() -> str:
    """The URI without its password."""
    return without_password(uri())


def is_database() -> bool:
    """Whether MLflow's tables are accessed directly, not through a tracking server."""
    return uri().split(":")[0].split("+")[0] in {"sqlite", "postgresql", "mysql", "mssql"}


def _require_database() -> None:
    """Checks that the database is reachable: MLflow itself retries for minutes."""
    if not is_database():
        return
    try:
        _make_sqlite()
        engine = create_engine(uri())
        engine.connect().close()
        engine.dispose()
    except (SQLAlchemyError, ImportError, OSError) as error:
        said = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
        reason = str(said).strip().splitlines()[0]
        raise UserError(
            f"MLflow's database {shown()} cannot be used: {reason}; start it, or fix "
            "MLFLOW_TRACKING_URI"
        ) from error


def _make_sqlite() -> None:
    """Creates MLflow's tables under a lock, all or none: MLflow cannot continue from a partial set,
    as left by Ctrl-C or by a concurrent command."""
    path = _file()
    if path is None or path.exists():
        return
    with path.with_name(f"{path.name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)
        MlflowClient(sqlite_address(draft)).search_experiments()
        draft.replace(path)


def _artifacts() -> str | None:
    """Artifact location: MLFLOW_DEFAULT_ARTIFACT_ROOT, as for MLflow's server, else beside the
    SQLite file or in the checkout. None for a tracking server, which has its own."""
    if not is_database():
        return None
    if named := os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT"):
        return named
    path = _file()
    folder = ROOT if path is None else path.parent
    return (folder / ARTIFACTS).as_uri()
