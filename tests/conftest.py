"""Which tests run beside which (`make test`), and what those that play a person start from."""

import os
from collections.abc import Iterator

import pytest

from infra import emulator, stack
from infra.paths import LOCALSTACK
from infra.processes import Children
from infra.stack import Endpoint
from infra.steps import Steps
from infra.terraform import Terraform

_NOT_A_NEWCOMERS = {
    *emulator.TEST_ACCOUNT,
    *emulator.FOREIGN_VARIABLES,
    *("AWS_ENDPOINT_URL", "MLFLOW_TRACKING_URI", "KEEP", "RIDES", "PORT", "ARCH"),
    *("EVENTS_STREAM_NAME", "PREDICTIONS_STREAM_NAME", "MODEL_BUCKET", "REJECTS_BUCKET"),
    *("MAKEFLAGS", "MAKELEVEL", "VIRTUAL_ENV"),
}


@pytest.fixture(scope="session")
def newcomer() -> dict[str, str]:
    """The environment of a person who has just cloned: no endpoint, no AWS settings."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_A_NEWCOMERS}


@pytest.fixture
def account(newcomer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """What stands in for an AWS account: the commands of README and docs know nothing of it."""
    for name in set(os.environ) - set(newcomer):
        monkeypatch.delenv(name)
    folder = LOCALSTACK / f"test-{os.getpid()}"
    with Children() as children:
        endpoint = stack.open_endpoint(children, folder, None, Steps())
        environment = endpoint.environment(newcomer)
        terraform = Terraform(children, folder, environment, data=folder / "terraform")
        terraform.init()
        for name, value in terraform.settings.items():
            endpoint.settings[name] = value
        # There is nobody to say yes.
        for verb in ("apply", "destroy"):
            endpoint.settings[f"TF_CLI_ARGS_{verb}"] += " -auto-approve"
        yield endpoint
        stack.close_endpoint(folder, endpoint)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those on LocalStack take the longest and each other's place, so one process starts with them
    and runs them one after the other; of all others a file stays together, with its fixtures."""
    for item in items:
        on_localstack = "integration" in item.path.parts
        if on_localstack:
            item.add_marker(pytest.mark.integration)
        item.add_marker(pytest.mark.xdist_group("LocalStack" if on_localstack else item.path.stem))
    items.sort(key=lambda item: "integration" not in item.path.parts)
