"""Several parts of a run at once, each in a process of its own that never outlives this one."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from infra.common.console import UserError
from infra.common.processes import Children
from ride_scoring.errors import UNREADABLE
from stream_sim.send.options import Job, encoded
from stream_sim.send.part import Said

_ERROR: Final = "error: "
_said_decoder: Final = msgspec.json.Decoder(Said)


class _Part:
    """A process that sends one part, and a thread that hears what it says."""

    def __init__(
        self, children: Children, job: Job, sent: Callable[[Said], None], ended: "_Ended"
    ) -> None:
        self._children = children
        self._sent = sent
        self._ended = ended
        self._complaint = b""
        self._process = children.start(
            [sys.executable, "-m", "stream_sim.send.part", encoded(job).decode()],
            os.environ,
            output=subprocess.PIPE,
            errors=subprocess.STDOUT,
        )
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def stop(self) -> None:
        """Asks it to end as Ctrl-C does."""
        # Where SIGINT is ignored, as it is in what a script runs with `&`, children ignore it too.
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Waits for its end, and until all that it said is heard. Raises `UserError` where it
        failed."""
        self._hearing.join()
        code = self._process.wait()
        self._children.let_go(self._process.pid)
        if code:
            complaint = self._complaint.decode(errors="replace").strip().removeprefix(_ERROR)
            raise UserError(complaint or f"a sending process ended with exit code {code}")

    def _hear(self) -> None:
        """Passes on what it says. No Ctrl-C reaches this thread, so no line is dropped by one."""
        assert self._process.stdout is not None  # noqa: S101 - asked for with PIPE
        try:
            with self._process.stdout as output:
                for line in iter(output.readline, b""):
                    self._take(line)
        finally:
            self._ended.put(self)

    def _take(self, line: bytes) -> None:
        """Counts what it sent; a line that says no such thing is of a complaint."""
        try:
            said = _said_decoder.decode(line)
        except UNREADABLE:
            self._complaint += line
        else:
            self._sent(said)


_Ended = queue.SimpleQueue[_Part]


def send(jobs: Sequence[Job], sent: Callable[[Said], None]) -> None:
    """Sends all parts, and calls `sent`, from several threads, as the stream takes their rides.

    When one fails, or this process is interrupted, all are ended as by Ctrl-C, and what they send
    until then counts. Raises `UserError` with what the first to fail said.
    """
    ended = _Ended()
    running: list[_Part] = []
    with Children() as children:
        try:
            running.extend(_Part(children, job, sent, ended) for job in jobs)
            for _ in jobs:
                ended.get().end()
        except BaseException:
            for part in running:
                part.stop()
            for part in running:
                with contextlib.suppress(UserError):
                    part.end()
            raise
