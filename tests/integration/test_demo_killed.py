"""However and whenever the demo is ended, no process stays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.common import ports
from infra.common.paths import LOCALSTACK, ROOT
from tests.waiting import eventually

pytestmark = [pytest.mark.localstack, pytest.mark.thorough]


def processes_of_the_demo() -> list[int]:
    """Processes that have the demo's folder in their environment or command line."""
    mark = os.fsencode(LOCALSTACK / "demo")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes() + (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue  # ended meanwhile, or not ours
    return found


@pytest.mark.parametrize(
    ("step", "number", "code"),
    [
        ("LocalStack", signal.SIGKILL, -signal.SIGKILL),  # while it trains
        ("package", signal.SIGKILL, -signal.SIGKILL),  # while it applies
        ("package", signal.SIGINT, 130),
        ("LocalStack", signal.SIGTERM, 130),
    ],
)
def test_a_demo_that_is_ended_leaves_no_process(
    newcomer: dict[str, str], tmp_path: Path, step: str, number: int, code: int
) -> None:
    port = ports.free_port()
    said = tmp_path / "said"
    with said.open("wb") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "infra", "demo"],
            cwd=ROOT,
            env=newcomer | {"PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        assert eventually(lambda: f"✓ {step}" in said.read_text(), 900), said.read_text()
        time.sleep(3)  # into the step behind it
        assert processes_of_the_demo()
        demo.send_signal(number)
        assert demo.wait(600) == code
    finally:
        demo.kill()
        demo.wait()
    assert eventually(lambda: not processes_of_the_demo())
    ports.require_free(port)
    if code == 130:
        assert "error: stopped" in said.read_text()
        assert "Traceback" not in said.read_text()
