"""The environment of a person who has just cloned: no endpoint, no AWS settings."""

import os

import pytest

from infra import emulator

_NOT_A_NEWCOMERS = {
    *emulator.TEST_ACCOUNT,
    *emulator.FOREIGN_VARIABLES,
    *("AWS_ENDPOINT_URL", "MLFLOW_TRACKING_URI", "KEEP", "RIDES", "PORT", "ARCH"),
    *("EVENTS_STREAM_NAME", "PREDICTIONS_STREAM_NAME", "MODEL_BUCKET", "REJECTS_BUCKET"),
    *("MAKEFLAGS", "MAKELEVEL", "VIRTUAL_ENV"),
}


@pytest.fixture(scope="session")
def newcomer() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _NOT_A_NEWCOMERS}
