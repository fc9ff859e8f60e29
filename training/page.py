"""MLflow's own page, on this machine, on what was trained."""

import os
import sys
import webbrowser
from typing import Final, NoReturn

from infra import emulator
from infra.common import console
from infra.common.console import UserError
from infra.common.paths import OUT
from infra.emulator import HOST
from training import local_server, tracking

_SETTINGS: Final = {
    # Seven processes that have nothing to do here: they judge language models.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def serve(port: int) -> NoReturn:
    """Runs until it is stopped. Raises `UserError` where it does not start or ends by itself."""
    if not tracking.is_database():
        raise UserError(f"MLFLOW_TRACKING_URI={tracking.shown()} has a page of its own: open that")
    emulator.require_free(port)
    tracking.client()  # makes the tables, or says why not
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
    # Everybody on the machine can read a command line, and the password of a database in it.
    return {**os.environ, **_SETTINGS, "MLFLOW_BACKEND_STORE_URI": tracking.uri()}
