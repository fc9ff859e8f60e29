"""Serves MLflow's UI locally."""

import os
import sys
import webbrowser
from typing import Final, NoReturn

from infra.common import console, ports
from infra.common.console import UserError
from infra.common.paths import OUT
from infra.common.ports import HOST
from training import local_server, tracking

_SETTINGS: Final = {
    # Seven processes for LLM judges, which are not needed here.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def serve(port: int) -> NoReturn:
    """Serves until stopped. Raises `UserError` if the server does not start or exits by itself."""
    if not tracking.is_database():
        raise UserError(f"MLFLOW_TRACKING_URI={tracking.shown()} has a page of its own: open that")
    ports.require_free(port)
    tracking.client()  # creates the tables, or reports why it cannot
    address, log = f"http://{HOST}:{port}", OUT / "mlflow" / f"{port}.log"
    title = f"MLflow's page at {address}"
    with local_server.running(
        title, _command(port), _environment(), f"{address}/health", log
    ) as process:
        console.out.print(f"MLflow's page is at {address}; Ctrl-C ends it")
        if sys.stdout.isatty():
            webbrowser.open(address)
        raise UserError(f"{title} ended with exit code {process.wait()}: {log} says why")


def _command(port: int) -> list[str]:
    options = ["--host", HOST, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *options]


def _environment() -> dict[str, str]:
    # Through the environment: command lines are visible to all local users, and this may hold a
    # database password.
    return {**os.environ, **_SETTINGS, "MLFLOW_BACKEND_STORE_URI": tracking.uri()}
