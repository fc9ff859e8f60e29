"""The function's side of the shadow: a child process that scores batches and returns results.

A thread that hangs cannot be killed, and would use half a processor for the life of the execution
environment. A process can be killed.
"""

import os
import socket
import struct
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgspec

from ride_scoring.models.served import ScorableEvent
from ride_scoring.shadow.scorer import ShadowResult

SHADOW_SECONDS: Final = 2.0
"""How long a batch waits for its shadow, at most."""
_SEND_SECONDS: Final = 1
"""Timeout of sending a batch: a worker that waits for one reads it at once."""
# An unresponsive worker is killed when it reaches the first of these limits. Wall-clock hours do
# not count: while an environment is frozen between batches, its shadow does not run either.
_LONGEST_CPU_SECONDS: Final = 20.0
_LONGEST_WAIT_SECONDS: Final = 60.0
"""Summed over batches."""
_MOST_BATCHES: Final = 1_000
"""Batches that went without a shadow."""
_PAUSE_SECONDS: Final = 600.0
"""Pause before a new worker is started after one ended or was killed. It doubles with each further
worker that never answered, so one that hangs or fails at start costs less and less."""
_LONGEST_PAUSE_SECONDS: Final = 6 * 3600.0

_encode = msgspec.json.Encoder().encode
_results = msgspec.json.Decoder(ShadowResult)


class Asked(msgspec.Struct, frozen=True):
    """A request to the shadow: the champion's batch, and the seconds that the function has left.

    The events come without the bytes that they were decoded from, and without their partition key.
    """

    scored: Sequence[ScorableEvent]
    scored_at: datetime
    seconds_left: float


class ShadowProcess:
    """Sends each batch to a worker process, which is started for the first batch.

    A batch waits for the worker for at most `wait_seconds`, and keeps `reserved_seconds` of the
    function's time. While the worker is busy, other batches go without a shadow. Until it has
    answered once, each batch waits, as a process cannot start up between batches, when the
    environment is frozen. The file descriptor for messages is appended to `command`; `clock`
    returns seconds.
    """

    def __init__(
        self,
        *,
        reserved_seconds: float = 2.0,
        wait_seconds: float = SHADOW_SECONDS,
        command: Sequence[str] = (sys.executable, "-m", "ride_scoring.shadow.worker"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reserved_seconds = reserved_seconds
        self._wait_seconds = wait_seconds
        self._command = command
        self._clock = clock
        self._worker: _Worker | None = None
        self._ended = 0
        self._not_before = float("-inf")

    def score(
        self,
        scored: Sequence[ScorableEvent],
        scored_at: datetime,
        seconds_left: Callable[[], float],
    ) -> ShadowResult:
        """The result, as far as it is known in time. Never raises."""
        seconds = min(self._wait_seconds, seconds_left() - self._reserved_seconds)
        if not scored or seconds <= 0:
            return ShadowResult(0, "no time was left for it" if scored else None)
        deadline = time.monotonic() + seconds
        try:
            if (worker := self._started()) is None:
                return ShadowResult(0, "its process exited; its restart is delayed")
            return self._ask(worker, scored, scored_at, seconds_left, deadline)
        except (OSError, EOFError, msgspec.DecodeError) as error:
            kind = type(error).__name__
            return self._let_go(f"its process exited or could not be started ({kind})")
        except Exception as error:  # noqa: BLE001 - the champion's predictions are in, and stay so
            return ShadowResult(0, f"it failed with {type(error).__name__}")

    def _started(self) -> "_Worker | None":
        """The worker; None while it is too early to start another."""
        if self._worker is None and self._clock() >= self._not_before:
            self._worker = _Worker(self._command)
        return self._worker

    def _ask(
        self,
        worker: "_Worker",
        scored: Sequence[ScorableEvent],
        scored_at: datetime,
        seconds_left: Callable[[], float],
        deadline: float,
    ) -> ShadowResult:
        """Waits until `deadline`, of `time.monotonic`."""
        if worker.is_busy and not worker.answers(None if worker.has_answered else deadline):
            if worker.is_lost:
                return self._let_go("it never answered and was ended")
            busy = "it is still busy with an earlier batch"
            return ShadowResult(0, busy if worker.has_started else "it is still starting")
        if worker.is_busy:
            self._take_answer(worker)
        asked = _encode(Asked([*map(_without_source, scored)], scored_at, seconds_left()))
        worker.ask(asked)
        if not worker.answers(deadline):
            return ShadowResult(0, "it took too long")
        return self._take_answer(worker)

    def _take_answer(self, worker: "_Worker") -> ShadowResult:
        result = _results.decode(worker.take_answer())
        if worker.has_answered:
            self._ended = 0
        return result

    def _let_go(self, why: str) -> ShadowResult:
        self._worker = None
        pause = min(_PAUSE_SECONDS * 2**self._ended, _LONGEST_PAUSE_SECONDS)
        self._ended += 1
        self._not_before = self._clock() + pause
        return ShadowResult(0, f"{why}: for {pause:,.0f} s there is none")


class _Worker:
    """A process and the pipe to it, which end with this object. Its first message says that it has
    started. Raises `OSError` and `EOFError` if it has ended."""

    def __init__(self, command: Sequence[str]) -> None:
        ours, its = socket.socketpair()
        with its:
            seconds = struct.pack("ll", _SEND_SECONDS, 0)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
            self._pipe = Connection(ours.detach())
            self._process = subprocess.Popen(
                [*command, str(its.fileno())],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                pass_fds=[its.fileno()],
            )
        weakref.finalize(self, _end, self._process, self._pipe)
        self._answers = 0
        self._await_answer()

    @property
    def has_started(self) -> bool:
        return self._answers > 0

    @property
    def has_answered(self) -> bool:
        """Whether it has returned a batch."""
        return self._answers > 1

    @property
    def is_lost(self) -> bool:
        """Whether it is considered unresponsive."""
        return (
            self._waited_seconds >= _LONGEST_WAIT_SECONDS
            or self._went_without >= _MOST_BATCHES
            or _cpu_seconds(self._process.pid) - self._cpu_before >= _LONGEST_CPU_SECONDS
        )

    def ask(self, message: bytes) -> None:
        self._await_answer()
        self._pipe.send_bytes(message)

    def answers(self, deadline: float | None) -> bool:
        """Whether a message arrives before `deadline`, in seconds of `time.monotonic`."""
        began = time.monotonic()
        found = self._pipe.poll(0.0 if deadline is None else max(0.0, deadline - began))
        self._waited_seconds += time.monotonic() - began
        self._went_without += not found
        return found

    def take_answer(self) -> bytes:
        answer = self._pipe.recv_bytes()
        self._answers += 1
        self.is_busy = False
        return answer

    def _await_answer(self) -> None:
        self.is_busy = True
        self._waited_seconds = 0.0
        self._went_without = 0
        self._cpu_before = _cpu_seconds(self._process.pid)


def _cpu_seconds(pid: int) -> float:
    """CPU time of a process: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:  # it ended, or no Linux runs here
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _end(process: "subprocess.Popen[bytes]", pipe: Connection) -> None:
    process.kill()
    process.wait()
    pipe.close()


def _without_source(item: ScorableEvent) -> ScorableEvent:
    return ScorableEvent(
        msgspec.structs.replace(item.arrival, data=b"", partition_key=""), item.event
    )
