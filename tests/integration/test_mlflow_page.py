"""`python -m training mlflow`: MLflow's page on a registry, and nothing left of it in the end."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.common.paths import ROOT
from training import tracking

# MLflow is warned by newer pandas and SQLAlchemy of what is its own to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.thorough]


MARK = "RIDE_SCORING_TEST_PAGE"
"""Set for the command, and inherited by all that it starts."""


@pytest.fixture(scope="module")
def environment(
    newcomer: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        tracking.client().create_registered_model("ride-duration")
    return {**newcomer, "MLFLOW_TRACKING_URI": uri, MARK: str(folder)}


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
    return found


@contextmanager
def page(environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    """The command, once it says where the page is."""
    with subprocess.Popen(
        [sys.executable, "-m", "training", "mlflow"],
        cwd=ROOT,
        env={**environment, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert f"is at http://127.0.0.1:{port}; Ctrl-C ends it" in process.stdout.readline()
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def left(environment: dict[str, str]) -> list[str]:
    """The command lines of all processes that the command started, itself included."""
    mark = f"{MARK}={environment[MARK]}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
        except OSError:  # it has ended, or is another's
            continue
    return found


def ask(port: int, path: str, body: object = None) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", content, {"Content-Type": "application/json"}
    )
    with opener.open(request, timeout=300) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_shows_what_was_trained_until_it_is_stopped(
    environment: dict[str, str], port: int, number: signal.Signals
) -> None:
    with page(environment, port) as process:
        assert b"<title>MLflow</title>" in ask(port, "/")
        search = "/api/2.0/mlflow/experiments/search"
        experiments = json.loads(ask(port, search, {"max_results": 10}))["experiments"]
        assert tracking.EXPERIMENT in {found["name"] for found in experiments}
        assert left(environment)
        process.send_signal(number)
        _, said = process.communicate(timeout=300)
        assert (process.returncode, said) == (130, "error: stopped\n")
    assert left(environment) == []


def test_a_port_in_use_is_said_in_one_sentence(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "training", "mlflow", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: port {port} cannot be used (")
    assert done.stderr.count("\n") == 1
