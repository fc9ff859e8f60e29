"""The shadow as the function sees it: a process that batches go to and results come from.

A thread that never returns can be left behind but not ended: it would keep half a processor for as
long as the environment lives. A process can be ended.
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
from typing import Final

import msgspec

from ride_scoring.predictions import ScorableEvent
from ride_scoring.shadow import ShadowResult

SHADOW_SECONDS: Final = 2.0
"""How long a batch waits for its shadow at most."""
_SEND_SECONDS: Final = 1
"""What handing a batch over may take: whoever waits for one reads it at once."""
_LONGEST_SECONDS: Final = 60.0
_LONGEST_BATCHES: Final = 10
"""A shadow is ended that has not answered after both. Batches count too, as a function that is
frozen between them gives its shadow no time."""
_PAUSE_SECONDS: Final = 600.0
"""Until another one is started, and twice as long after each further one that had to be ended: a
model that never returns takes less and less."""
_LONGEST_PAUSE_SECONDS: Final = 6 * 3600.0

_encode = msgspec.msgpack.Encoder().encode
_results = msgspec.msgpack.Decoder(ShadowResult)


class Asked(msgspec.Struct, frozen=True):
    """What the shadow is asked: the champion's batch, and how many seconds the function has left.

    Of the events all is there but the bytes that they were decoded from.
    """

    scored: Sequence[ScorableEvent]
    scored_at: datetime
    seconds_left: float


class ShadowProcess:
    """Gives each batch to a process, which is started for the first one, and anew where it ended.

    A batch waits for it for `wait_seconds` at most, and `reserved_seconds` of the function's time
    are left. The next batches go without a shadow until it has answered. `command` is followed by
    the number of the file that messages are read from and written to; `clock` gives seconds.
    """

    def __init__(
        self,
        *,
        reserved_seconds: float = 2.0,
        wait_seconds: float = SHADOW_SECONDS,
        command: Sequence[str] = (sys.executable, "-m", "ride_scoring.shadow_worker"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reserved_seconds = reserved_seconds
        self._wait_seconds = wait_seconds
        self._command = command
        self._clock = clock
        self._worker: _Worker | None = None
        self._asked_at: float | None = None
        self._went_without = 0
        self._ended = 0
        self._not_before = float("-inf")

    def score(
        self,
        scored: Sequence[ScorableEvent],
        scored_at: datetime,
        seconds_left: Callable[[], float],
    ) -> ShadowResult:
        """What came of it, as far as it is known by then. Never raises."""
        seconds = min(self._wait_seconds, seconds_left() - self._reserved_seconds)
        if not scored or seconds <= 0:
            return ShadowResult(0, "no time was left for it" if scored else None)
        try:
            if (hindrance := self._hindrance()) is not None:
                return ShadowResult(0, hindrance)
            return self._ask(scored, scored_at, seconds_left, time.monotonic() + seconds)
        except (OSError, EOFError, msgspec.DecodeError) as error:
            self._let_go()
            return ShadowResult(0, f"its process ended, or cannot be had: {type(error).__name__}")

    def _hindrance(self) -> str | None:
        """Why it cannot be asked; None where it can."""
        if self._worker is not None and self._asked_at is not None:
            if self._worker.answers(0):
                self._take_answer(self._worker)
            elif not self._is_lost(self._asked_at):
                self._went_without += 1
                return "it is still busy with an earlier batch"
            else:
                return self._give_up()
        if self._clock() < self._not_before:
            return "one that never answered was ended, and it is too early for another"
        return None

    def _is_lost(self, asked_at: float) -> bool:
        waited = self._clock() - asked_at
        return self._went_without >= _LONGEST_BATCHES and waited >= _LONGEST_SECONDS

    def _give_up(self) -> str:
        pause = min(_PAUSE_SECONDS * 2**self._ended, _LONGEST_PAUSE_SECONDS)
        self._ended += 1
        self._not_before = self._clock() + pause
        self._let_go()
        return f"it never answered and was ended: for {pause:,.0f} s there is none"

    def _ask(
        self,
        scored: Sequence[ScorableEvent],
        scored_at: datetime,
        seconds_left: Callable[[], float],
        deadline: float,
    ) -> ShadowResult:
        """Waits until `deadline`, of `time.monotonic`."""
        if self._worker is None or not self._worker.runs:
            self._worker = _Worker(self._command)
            self._begin_to_wait()
        if self._asked_at is not None:  # for whether it has started
            if not self._worker.answers(deadline - time.monotonic()):
                return ShadowResult(0, "it is still starting")
            self._take_answer(self._worker)
        asked = Asked([*map(_without_bytes, scored)], scored_at, seconds_left())
        self._begin_to_wait()
        self._worker.send(_encode(asked))
        if not self._worker.answers(deadline - time.monotonic()):
            return ShadowResult(0, "it took too long")
        return self._take_answer(self._worker)

    def _begin_to_wait(self) -> None:
        self._asked_at, self._went_without = self._clock(), 0

    def _take_answer(self, worker: "_Worker") -> ShadowResult:
        result = _results.decode(worker.receive())
        self._asked_at = None
        if worker.has_started:
            self._ended = 0
        worker.has_started = True
        return result

    def _let_go(self) -> None:
        self._worker, self._asked_at = None, None


class _Worker:
    """A process and the pipe to it; it ends with this object. Its first message says that it has
    started. Raises `OSError` and `EOFError` where it ended."""

    def __init__(self, command: Sequence[str]) -> None:
        ours, its = socket.socketpair()
        with its:
            seconds = struct.pack("ll", _SEND_SECONDS, 0)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
            self.has_started = False
            self._pipe = Connection(ours.detach())
            self._process = subprocess.Popen(
                [*command, str(its.fileno())],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                pass_fds=[its.fileno()],
            )
        weakref.finalize(self, _end, self._process, self._pipe)

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def send(self, message: bytes) -> None:
        self._pipe.send_bytes(message)

    def answers(self, seconds: float) -> bool:
        """Whether there is a message, or comes one within so many seconds."""
        return self._pipe.poll(max(0.0, seconds))

    def receive(self) -> bytes:
        return self._pipe.recv_bytes()


def _end(process: "subprocess.Popen[bytes]", pipe: Connection) -> None:
    process.kill()
    process.wait()
    pipe.close()


def _without_bytes(item: ScorableEvent) -> ScorableEvent:
    return ScorableEvent(msgspec.structs.replace(item.arrival, data=b""), item.event)
