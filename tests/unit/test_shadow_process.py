"""A shadow is a process beside the function: whatever becomes of it, the champion goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ride_scoring.models.served import ScorableEvent
from ride_scoring.shadow.process import ShadowProcess
from ride_scoring.shadow.scorer import ShadowResult
from tests.factories import NOW
from tests.unit.test_shadow import scored
from tests.waiting import eventually

STARTING = "it is still starting"
BUSY = "it is still busy with an earlier batch"
ENDED = "its process exited or could not be started"
BEGINS = """
import os, sys, time, msgspec
from pathlib import Path
from typing import Any
from multiprocessing.connection import Connection
from ride_scoring.shadow.scorer import ShadowResult
from ride_scoring.shadow.process import Asked
pipe = Connection(int(sys.argv[-1]))
Path(sys.argv[-2]).joinpath(str(os.getpid())).touch()
def say(count):
    pipe.send_bytes(msgspec.json.encode(ShadowResult(count)))
"""
GOES_ON = """
say(0)
while True:
    asked = msgspec.json.decode(pipe.recv_bytes(), type=Asked)
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


def says(shadow: ShadowProcess, failure: str) -> bool:
    return score(shadow).failure == failure


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


def test_one_that_ended_is_started_anew_but_not_at_each_batch(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path, clock: Clock
) -> None:
    """A batch would pay for the start each time."""
    shadow = shadow_of(f"{BEGINS}{GOES_ON}sys.exit(3)")
    for pause, count in ((600, 1), (1_200, 2), (2_400, 3)):
        ended = f"{ENDED} (EOFError): for {pause:,} s there is none"
        assert score(shadow).failure == ended
        clock.seconds += pause - 1
        assert score(shadow).failure == "its process exited; its restart is delayed"
        assert len(started(tmp_path)) == count
        clock.seconds += 1


def test_one_that_ended_after_it_had_answered_is_started_as_if_it_were_the_first(
    shadow_of: Callable[..., ShadowProcess], clock: Clock
) -> None:
    shadow = shadow_of(f"{BEGINS}{GOES_ON}say(len(asked.scored)); sys.exit(3)")
    for _ in range(3):
        assert score(shadow).predicted == 3
        assert f"{ENDED} (" in str(score(shadow).failure)
        clock.seconds += 600


@pytest.mark.parametrize("ride_id", [2**63, -(2**63) - 1, 10**30, "😀", "\x00", "x" * 256])
def test_every_ride_that_the_champion_scores_reaches_it(
    shadow_of: Callable[..., ShadowProcess], ride_id: int | str
) -> None:
    shadow = shadow_of(f"{BEGINS}{GOES_ON}say(int(asked.scored[0].event.ride_id == {ride_id!r}))")
    (item,) = scored(1)
    event = msgspec.structs.replace(item.event, ride_id=ride_id)
    arrival = msgspec.structs.replace(item.arrival, partition_key="\ud83d", data=b"\xff")
    result = shadow.score([ScorableEvent(arrival, event)], NOW, lambda: 60.0)
    assert result == ShadowResult(1)


def test_what_cannot_be_handed_over_is_said_and_the_next_is_scored(
    shadow_of: Callable[..., ShadowProcess],
) -> None:
    shadow = shadow_of(ANSWERS)
    (item,) = scored(1)
    arrival = msgspec.structs.replace(item.arrival, event_id="\ud83d")
    result = shadow.score([ScorableEvent(arrival, item.event)], NOW, lambda: 60.0)
    assert result == ShadowResult(0, "it failed with UnicodeEncodeError")
    assert score(shadow) == ShadowResult(3)


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("raise SystemExit(1)", ENDED),
        (f"{BEGINS}pipe.send_bytes(b'nonsense')", ENDED),
        (f"{BEGINS}{GOES_ON}pipe.send_bytes(b'nonsense')", ENDED),
    ],
)
def test_one_that_does_not_start_or_talks_nonsense_is_said(
    shadow_of: Callable[..., ShadowProcess], script: str, failure: str
) -> None:
    assert failure in str(score(shadow_of(script)).failure)


def test_where_no_process_can_be_started_there_is_no_shadow(tmp_path: Path) -> None:
    result = score(ShadowProcess(command=(str(tmp_path / "nothing"),)))
    assert str(result.failure).startswith(f"{ENDED} (FileNotFoundError)")


def test_a_batch_waits_for_its_start_no_longer_than_for_its_answer(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path
) -> None:
    shadow = shadow_of(f"{BEGINS}time.sleep(60)", wait_seconds=0.05)
    began = time.monotonic()
    assert score(shadow).failure == STARTING
    assert score(shadow).failure == STARTING
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
    hold = tmp_path.with_suffix(".hold")
    slowly = f"\n    while Path({str(hold)!r}).exists(): time.sleep(0.01)"
    shadow = shadow_of(f"{BEGINS}{GOES_ON}{slowly}\n    say(len(asked.scored))", 0.2)
    assert eventually(lambda: score(shadow).predicted == 3)
    hold.touch()
    assert score(shadow).failure == "it took too long"
    began = time.monotonic()
    assert [score(shadow).failure for _ in range(100)] == [BUSY] * 100
    assert time.monotonic() - began < 100 * 0.2  # none of them waits
    hold.unlink()
    assert eventually(lambda: score(shadow).predicted == 3)
    assert len(started(tmp_path)) == 1


def test_one_starts_however_little_time_it_gets_between_batches(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path, clock: Clock
) -> None:
    """A quiet function: an environment is frozen for hours between its batches, and each batch
    gives the process no more time than it waits for it."""
    begins = BEGINS.replace("say(0)", "")
    shadow = shadow_of(f"{begins}time.sleep(1.5){GOES_ON}say(len(asked.scored))", 0.2)
    frozen = False

    def batch() -> bool:
        nonlocal frozen
        for pid in started(tmp_path) if frozen else []:
            os.kill(pid, signal.SIGCONT)
        predicted = score(shadow).predicted == 3
        for pid in started(tmp_path):
            os.kill(pid, signal.SIGSTOP)
            frozen = True
        clock.seconds += 3_600
        return predicted

    assert eventually(batch)
    assert len(started(tmp_path)) == 1


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("script", "limit", "most"),
    [
        (f"{BEGINS}{GOES_ON}\n    while True: pass", "_LONGEST_CPU_SECONDS", 0.5),
        (f"{BEGINS}time.sleep(600)", "_LONGEST_WAIT_SECONDS", 0.5),
        (f"{BEGINS}{GOES_ON}time.sleep(600)", "_LONGEST_WAIT_SECONDS", 0.5),
        (f"{BEGINS}{GOES_ON}time.sleep(600)", "_MOST_BATCHES", 5),
    ],
    ids=["burns", "never starts", "never answers", "batches"],
)
def test_one_that_never_returns_is_ended_and_others_come_less_and_less_often(
    shadow_of: Callable[..., ShadowProcess],
    tmp_path: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    limit: str,
    most: float,
) -> None:
    monkeypatch.setattr(f"ride_scoring.shadow.process.{limit}", most)
    begun = []

    class Counted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            begun.append(arguments)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", Counted)
    shadow = shadow_of(script, wait_seconds=0.2)
    for pause, count in ((600, 1), (1_200, 2), (2_400, 3)):
        ended = f"it never answered and was ended: for {pause:,} s there is none"
        assert eventually(partial(says, shadow, ended))
        assert not any(map(runs, started(tmp_path)))
        clock.seconds += pause - 1
        assert score(shadow).failure == "its process exited; its restart is delayed"
        assert len(begun) == count  # not what they say of themselves, as one may end before that
        clock.seconds += 1


def test_one_that_had_no_time_to_answer_is_not_ended(
    shadow_of: Callable[..., ShadowProcess], tmp_path: Path, clock: Clock
) -> None:
    """An environment that is frozen for hours between its batches."""
    hold = tmp_path.with_suffix(".hold")
    slowly = f"\n    while Path({str(hold)!r}).exists(): time.sleep(0.01)"
    shadow = shadow_of(f"{BEGINS}{GOES_ON}{slowly}\n    say(len(asked.scored))")
    assert score(shadow).predicted == 3
    hold.touch()
    assert score(shadow, left=2.2).failure == "it took too long"
    for _ in range(100):
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


@pytest.mark.thorough
def test_it_ends_with_a_function_that_is_killed(tmp_path: Path) -> None:
    ends_with_it = "\nfrom ride_scoring.shadow.worker import _end_with_the_function as f; f()\n"
    script = f"{ends_with_it}{BEGINS}{GOES_ON}\n    while True: pass"
    function = (
        "import sys, time\n"
        "from ride_scoring.shadow.process import ShadowProcess\n"
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
        assert eventually(lambda: b"busy" in next(lines))
    (pid,) = started(tmp_path)
    process.kill()
    process.wait()
    assert eventually(lambda: not runs(pid))
