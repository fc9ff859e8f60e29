"""Functions are killed, calls fail and models move while rides run: nothing is lost."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.chaos.command import RATE, Summary
from infra.chaos.killer import Killer, functions_of
from infra.common.paths import OUT, ROOT
from tests.waiting import eventually

pytestmark = [pytest.mark.localstack, pytest.mark.thorough]

MINUTES = 0.5
FUNCTION = [sys.executable, "-c", "import time; time.sleep(60)", "awslambdaric", "handler"]
"""What a function's process looks like from outside."""
OTHER = [sys.executable, "-c", "import time; time.sleep(60)", "awslambdaric.py"]


@contextmanager
def started(*commands: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child for each command, in a group that ends with the context."""
    start = f"import subprocess; [p.wait() for p in [subprocess.Popen(c) for c in {commands!r}]]"
    parent = subprocess.Popen([sys.executable, "-c", start], start_new_session=True)
    try:
        yield parent
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()


def chaos(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra", "chaos"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def are_running(parent: int, count: int) -> bool:
    return eventually(lambda: len(functions_of(parent)) == count)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].startswith("T")


def test_the_functions_of_one_localstack_are_killed_and_nothing_else() -> None:
    with started(FUNCTION, FUNCTION, OTHER) as ours, started(FUNCTION) as anothers:
        assert are_running(anothers.pid, 1)
        assert are_running(ours.pid, 2)
        killer = Killer(ours.pid, seed=1)
        for left in (1, 0):
            killer.strike()
            assert are_running(ours.pid, left)
        killer.strike()
        assert (killer.kills, killer.timeouts()) == (2, 0)
        assert len(functions_of(anothers.pid)) == 1
        children = subprocess.check_output(["pgrep", "-P", str(ours.pid), "-f", "awslambdaric.py"])
        assert len(children.split()) == 1


def test_a_function_that_is_stopped_is_a_timeout_once_it_is_gone() -> None:
    with started(FUNCTION) as ours:
        assert are_running(ours.pid, 1)
        (function,) = functions_of(ours.pid)
        killer = Killer(ours.pid, seed=1, stopped_share=1)
        for _ in range(2):
            killer.strike()
            assert eventually(lambda: is_stopped(function))
            assert (killer.kills, killer.timeouts()) == (0, 0)
        os.kill(function, signal.SIGKILL)
        assert are_running(ours.pid, 0)
        assert (killer.kills, killer.timeouts()) == (0, 1)


SUMMARY = Summary(
    minutes=10,
    seed=1,
    clean=True,
    rides={"sent": 9, "predicted": 9},
    unexpected=0,
    given_up=0,
    models={"ride-duration 1": 5, "ride-duration 2": 4},
    latency_ms=None,
    kills=1,
    timeouts=1,
    faults={"s3: SlowDown": 1},
    moves={"swaps": 1},
    seconds={},
)


@pytest.mark.parametrize(
    ("of_the_run", "complaint"),
    [
        ({}, None),
        ({"clean": False}, "some rides did not have the expected outcome: .* names them"),
        (
            {"clean": False, "minutes": 1},
            "some rides did not have the expected outcome: .* names them",
        ),
        ({"kills": 0}, "chaos caused no kills: run"),
        ({"kills": 0, "timeouts": 0}, "chaos caused no kills, timeouts: run"),
        ({"kills": 0, "minutes": 9.9}, None),
        ({"faults": {"s3: SlowDown": 0}}, "chaos caused no s3: SlowDown: run"),
        ({"moves": {"swaps": 0}}, "chaos caused no swaps: run"),
        ({"models": {"ride-duration 1": 9}}, "chaos caused no predictions of a second model: run"),
    ],
)
def test_a_run_that_lost_rides_or_in_which_nothing_went_wrong_fails(
    of_the_run: dict[str, Any], complaint: str | None
) -> None:
    said = msgspec.structs.replace(SUMMARY, **of_the_run).complaint()
    if complaint is None:
        assert said is None
    else:
        assert re.search(complaint, said or "")


def test_nothing_is_lost_in_half_a_minute_of_chaos(newcomer: dict[str, str]) -> None:
    done = chaos(newcomer | {"MINUTES": str(MINUTES), "SEED": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    summary = msgspec.json.decode((OUT / "chaos" / "summary.json").read_bytes(), type=Summary)
    assert summary.kills > 0
    assert sum(summary.faults.values()) > 0
    assert summary.moves["swaps"] > 0
    rides = summary.rides
    assert (rides["lost"], rides["failed"], summary.unexpected) == (0, 0, 0)
    assert rides["predicted"] + rides["rejected"] == rides["sent"] > 0.9 * RATE * 60 * MINUTES


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "MLFLOW_TRACKING_URI"])
def test_it_touches_nothing_that_is_given(newcomer: dict[str, str], name: str) -> None:
    done = chaos(newcomer | {name: "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert f"{name} is set" in done.stderr
