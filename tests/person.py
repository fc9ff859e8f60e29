"""The environment of whoever runs the tests, out of the way."""

import os
from collections.abc import Mapping

import pytest

FOREIGN = ("AWS_", "KINESIS_ENDPOINT_URL", "TF_VAR_", "TF_CLI_ARGS", "TF_WORKSPACE", "TF_LOG")
"""What begins so would lead a test to an account, an endpoint or a state of the person's own."""


def forget_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes all that is AWS's out of this process's environment."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(FOREIGN)}
