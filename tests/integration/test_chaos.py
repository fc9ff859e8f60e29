"""Functions are killed, calls fail and models move while rides run: nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from infra.chaos import command
from infra.chaos.command import Summary
from infra.chaos.killer import Killer, functions_of
from infra.console import UserError
from infra.paths import OUT, ROOT

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
        timeout=400,
        check=False,
    )


def await_functions(parent: int, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(functions_of(parent)) != count:
        assert time.monotonic() < deadline, f"{functions_of(parent)} are not {count}"
        time.sleep(0.05)


def test_the_functions_of_one_localstack_are_killed_and_nothing_else() -> None:
    with started(FUNCTION, FUNCTION, OTHER) as ours, started(FUNCTION) as anothers:
        await_functions(anothers.pid, 1)
        await_functions(ours.pid, 2)
        killer = Killer(ours.pid, seed=1)
        for left in (1, 0):
            killer.strike()
            await_functions(ours.pid, left)
        killer.strike()
        assert (killer.kills, killer.timeouts()) == (2, 0)
        assert len(functions_of(anothers.pid)) == 1
        children = subprocess.check_output(["pgrep", "-P", str(ours.pid), "-f", "awslambdaric.py"])
        assert len(children.split()) == 1


def test_nothing_is_lost_in_half_a_minute_of_chaos(newcomer: dict[str, str]) -> None:
    done = chaos(newcomer | {"MINUTES": str(MINUTES), "SEED": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    summary = msgspec.json.decode((OUT / "chaos" / "summary.json").read_bytes(), type=Summary)
    assert summary.kills > 0
    assert sum(summary.faults.values()) > 0
    assert summary.moves["swaps"] > 0
    rides = summary.rides
    assert (rides["lost"], rides["failed"], summary.unexpected) == (0, 0, 0)
    assert rides["predicted"] + rides["rejected"] == rides["sent"] > 60 * MINUTES
    idle = msgspec.structs.replace(summary, minutes=10, kills=0)
    with pytest.raises(UserError, match="did not bite, there were no kills"):
        command._complain(idle, clean=True)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "MLFLOW_TRACKING_URI"])
def test_it_touches_nothing_that_is_given(newcomer: dict[str, str], name: str) -> None:
    done = chaos(newcomer | {name: "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert f"{name} is set" in done.stderr
