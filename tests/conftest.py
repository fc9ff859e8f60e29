"""Which tests run beside which (`make test`), and what those that play a person start from."""

import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from infra import stack
from infra.common.paths import LOCALSTACK
from infra.common.processes import Children
from infra.common.steps import Steps
from infra.stack import Endpoint
from infra.terraform import Terraform
from tests.person import without_aws

# The processes share the cores, and a team of OpenMP's threads spins while one of it has none.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_NOT_A_NEWCOMERS = {
    *("MLFLOW_TRACKING_URI", "KEEP", "RIDES", "PORT", "ARCH"),
    *("EVENTS_STREAM_NAME", "PREDICTIONS_STREAM_NAME", "MODEL_BUCKET", "REJECTS_BUCKET"),
    *("MODEL_NAME", "MODEL_ALIAS", "SHADOW_ALIAS", "ENHANCED_FAN_OUT", "RECORD_AGE_SECONDS"),
    *("MINUTES", "SEED", "HISTORIES", "RUNS", "EVENT"),
    *("MAKEFLAGS", "MAKELEVEL", "VIRTUAL_ENV"),
}
# How fast inputs are made is the machine's affair, and other processes share it.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared")
# A shell that starts pytest with `&` has it ignore Ctrl-C, and so would each command under test.
signal.signal(signal.SIGINT, signal.default_int_handler)

_FIRST = {"integration": 0, "terraform": 1}
_DEMOS = ("test_run_it", "test_demo_killed.py")
"""A checkout runs one demo at a time."""


@pytest.fixture(scope="session")
def newcomer() -> dict[str, str]:
    """The environment of a person who has just cloned: no endpoint, no AWS settings. Terraform and
    OpenMP are told to take less of the cores that the tests share.
    """
    kept = without_aws(os.environ)
    ours = {"GOGC": "400"}
    return ours | {name: value for name, value in kept.items() if name not in _NOT_A_NEWCOMERS}


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


@pytest.hookimpl(tryfirst=True)  # before pytest looks which are `thorough`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits the longest comes first; of the cases of one test, `few` are not `thorough`."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("few"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for alike in cases.values():
        marker = alike[0].get_closest_marker("few")
        assert marker is not None
        (count,) = marker.args
        kept = {number * len(alike) // count for number in range(count)}  # spread over the table
        for number, item in enumerate(alike):
            if number not in kept:
                item.add_marker(pytest.mark.thorough)
    items.sort(key=lambda item: _FIRST.get(item.path.parent.name, len(_FIRST)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> "ByFile":
    return ByFile(config, log)


class ByFile(LoadScopeScheduling):
    """A file stays together, with its fixtures, but for the README's: each of its tests takes
    minutes. Demos take each other's place, so one process runs them one after the other.

    Marks would say it in fewer words, but pytest 9.2 does not see what pytest-xdist 3.8 makes of
    them.
    """

    def _split_scope(self, nodeid: str) -> str:
        if any(name in nodeid for name in _DEMOS):
            return "demos"
        path = nodeid.partition("::")[0]
        return nodeid if path.endswith("test_readme.py") else path
