"""A shadow is a process beside the function: whatever becomes of it, the champion goes on."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ride_scoring.shadow import ShadowResult
from ride_scoring.shadow_process import ShadowProcess
from tests.factories import NOW
from tests.unit.test_shadow import scored
from tests.waiting import eventually

BUSY = "it is still busy with an earlier batch"
BEGINS = """
import os, sys, time, msgspec
from pathlib import Path
from multiprocessing.connection import Connection
from ride_scoring.shadow import ShadowResult
from ride_scoring.shadow_process import Asked
pipe = Connection(int(sys.argv[-1]))
Path(sys.argv[-2]).joinpath(str(os.getpid())).touch()
def say(count):
    pipe.send_bytes(msgspec.msgpack.encode(ShadowResult(count)))
"""
GOES_ON = """
say(0)
while True:
    asked = msgspec.msgpack.decode(pipe.recv_bytes(), type=Asked)
    """
ANSWERS = f"{BEGINS}{GOES_ON}say(len(asked.scored))"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shadow_of(tmp_path: Path, clock: Clock) -> Callable[..., ShadowProcess]:
    """A shadow whose process runs a script."""

    def made(script: str, wait_seconds: float = 30.0) -> ShadowProcess:
        command = (sys.executable, "-c", script, str(tmp_path))
        return ShadowProcess(wait_seconds=wait_seconds, command=command, clock=clock)

    return made


def score(shadow: ShadowProcess, count: int = 3, left: float = 60.0) -> ShadowResult:
    return shadow.score(scored(count), NOW, lambda: left)


def started(folder: Path) -> list[int]:
    """The processes that began, in whatever order."""
    return [int(file.name) for file in folder.iterdir()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def test_every_batch_goes_to_one_process(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path
) -> None:
    shadow = shadow_of(ANSWERS)
    assert [score(shadow, count).predicted for count in (3, 1, 10_000)] == [3, 1, 10_000]
    assert len(started(tmp_path)) == 1


def test_it_ends_with_what_it_shadows(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path
) -> None:
    shadow = shadow_of(ANSWERS)
    score(shadow)
    (pid,) = started(tmp_path)
    assert runs(pid)
    del shadow
    assert not runs(pid)


def test_one_that_ended_is_started_anew(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path
) -> None:
    shadow = shadow_of(f"{BEGINS}{GOES_ON}sys.exit(3)")
    for count in (1, 2):
        assert score(shadow).failure == "its process ended, or cannot be had: EOFError"
        assert len(started(tmp_path)) == count


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("raise SystemExit(1)", "its process ended, or cannot be had: "),
        (f"{BEGINS}pipe.send_bytes(b'nonsense')", "its process ended, or cannot be had: "),
        (f"{BEGINS}{GOES_ON}pipe.send_bytes(b'nonsense')", "its process ended, or cannot be had"),
    ],
)
def test_one_that_does_not_start_or_talks_nonsense_is_said(
    shadow_of: Callable[..., ShadowProcess], script: str, failure: str
) -> None:
    assert failure in str(score(shadow_of(script)).failure)


def test_where_no_process_can_be_started_there_is_no_shadow(tmp_path: Path) -> None:
    result = score(ShadowProcess(command=(str(tmp_path / "nothing"),)))
    assert result == ShadowResult(0, "its process ended, or cannot be had: FileNotFoundError")


def test_a_batch_waits_for_its_start_no_longer_than_for_its_answer(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path
) -> None:
    shadow = shadow_of(f"{BEGINS}time.sleep(60)", wait_seconds=0.05)
    began = time.monotonic()
    assert score(shadow).failure == "it is still starting"
    assert score(shadow).failure == BUSY
    assert time.monotonic() - began < 20
    assert eventually(lambda: len(started(tmp_path)) == 1)


def test_what_it_does_not_read_holds_nobody_up(
    shadow_of: Callable[..., ShadowProcess],
) -> None:
    """It has said that it waits for a batch, and reads none."""
    shadow = shadow_of(f"{BEGINS}say(0); time.sleep(60)")
    began = time.monotonic()
    assert "BlockingIOError" in str(score(shadow, 10_000).failure)
    assert time.monotonic() - began < 20


def test_one_that_is_slow_is_gone_without_until_it_answered(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path
) -> None:
    release = tmp_path.with_suffix(".release")
    slowly = f"\n    while not Path({str(release)!r}).exists(): time.sleep(0.01)"
    shadow = shadow_of(f"{BEGINS}{GOES_ON}{slowly}\n    say(len(asked.scored))", 0.2)
    assert eventually(lambda: score(shadow).failure == "it took too long")
    assert [score(shadow).failure for _ in range(20)] == [BUSY] * 20
    release.touch()
    assert eventually(lambda: score(shadow).predicted == 3)
    assert len(started(tmp_path)) == 1


def test_one_that_never_returns_is_ended_and_others_come_less_and_less_often(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path, clock: Clock
) -> None:
    shadow = shadow_of(f"{BEGINS}{GOES_ON}\n    while True: pass", wait_seconds=2.0)
    for pause, count in ((600, 1), (1_200, 2), (2_400, 3)):
        assert eventually(lambda: score(shadow).failure == "it took too long", 60)
        (pid,) = filter(runs, started(tmp_path))
        clock.seconds += 59
        assert [score(shadow).failure for _ in range(10)] == [BUSY] * 10
        clock.seconds += 1
        ended = f"it never answered and was ended: for {pause:,} s there is none"
        assert score(shadow).failure == ended
        assert not runs(pid)
        clock.seconds += pause - 1
        assert "too early for another" in str(score(shadow).failure)
        assert len(started(tmp_path)) == count
        clock.seconds += 1


def test_one_that_had_no_time_to_answer_is_not_ended(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path, clock: Clock
) -> None:
    """An environment that is frozen for hours between its batches."""
    shadow = shadow_of(f"{BEGINS}{GOES_ON}\n    while True: pass", wait_seconds=2.0)
    assert eventually(lambda: score(shadow).failure == "it took too long", 60)
    for _ in range(10):
        clock.seconds += 3_600
        assert score(shadow).failure == BUSY
    assert len(list(filter(runs, started(tmp_path)))) == 1


def test_where_no_time_is_left_there_is_no_shadow(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path
) -> None:
    shadow = shadow_of(ANSWERS)
    assert score(shadow, left=2.0).failure == "no time was left for it"
    assert score(shadow, count=0) == ShadowResult(0)
    assert started(tmp_path) == []


def test_it_ends_with_a_function_that_is_killed(tmp_path: Path) -> None:
    ends_with_it = "\nfrom ride_scoring.shadow_worker import _end_with_the_function as f; f()\n"
    script = f"{ends_with_it}{BEGINS}{GOES_ON}\n    while True: pass"
    function = (
        "import sys, time\n"
        "from ride_scoring.shadow_process import ShadowProcess\n"
        "from tests.unit.test_shadow_process import score\n"
        f"shadow = ShadowProcess(command=(sys.executable, '-c', {script!r}, {str(tmp_path)!r}))\n"
        "while True:\n"
        "    print(score(shadow).failure, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", function],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        lines = iter(process.stdout)
        assert eventually(lambda: b"busy" in next(lines), 60)
    (pid,) = started(tmp_path)
    process.kill()
    process.wait()
    assert eventually(lambda: not runs(pid))
