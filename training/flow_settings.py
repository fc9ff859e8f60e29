"""Prefect settings, which must be in the environment before Prefect is first imported."""

import os
from importlib.util import find_spec
from typing import Final

from infra.common.console import UserError
from infra.common.paths import OUT

SETTINGS: Final = {
    # Database and task results, which Prefect would keep in the home folder.
    "PREFECT_HOME": str(OUT / "prefect"),
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # unpickling can execute arbitrary code
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # Prefect logs a traceback of each failed task: we print one sentence.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
}


def apply() -> None:
    """Sets defaults that the environment may override. Raises `UserError` without Prefect."""
    if find_spec("prefect") is None:
        raise UserError(
            "Prefect is not installed: install the extra `flow` (pip install -e '.[flow]')"
        )
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
