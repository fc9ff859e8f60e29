"""Prefect's settings, which must stand in the environment before Prefect is first imported."""

import os
from importlib.util import find_spec
from typing import Final

from infra.common.console import UserError
from infra.common.paths import OUT

SETTINGS: Final = {
    # Its database and the results of tasks, which it would keep in the home folder.
    "PREFECT_HOME": str(OUT / "prefect"),
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # a pickle could run any code where it is read
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # It logs a traceback of each task that fails: we say one sentence.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
}


def apply() -> None:
    """Sets what the environment does not say otherwise. Raises `UserError` without Prefect."""
    if find_spec("prefect") is None:
        raise UserError(
            "Prefect is not installed: install the extra `flow` (pip install -e '.[flow]')"
        )
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
