"""Runs several parts of a run at once, each in a process that never outlives this one."""

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
    """A process that sends one part, and a thread that reads its output."""

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
        """Ask it to end, as Ctrl-C does."""
        # Where SIGINT is ignored, as in what a script runs with `&`, children ignore it too.
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Wait for its end, and until all its output has been read. Raises `UserError` if it
        failed."""
        self._hearing.join()
        code = self._process.wait()
        self._children.let_go(self._process.pid)
        if code:
            complaint = self._complaint.decode(errors="replace").strip().removeprefix(_ERROR)
            raise UserError(complaint or f"a sending process ended with exit code {code}")

    def _hear(self) -> None:
        """Pass on its output. Ctrl-C never reaches this thread, so it drops no line."""
        assert self._process.stdout is not None  # noqa: S101 - asked for with PIPE
        try:
            with self._process.stdout as output:
                for line in iter(output.readline, b""):
                    self._take(line)
        finally:
            self._ended.put(self)

    def _take(self, line: bytes) -> None:
        """Count what it sent; any other line is part of an error message."""
        try:
            said = _said_decoder.decode(line)
        except UNREADABLE:
            self._complaint += line
        else:
            self._sent(said)


_Ended = queue.SimpleQueue[_Part]


def send(jobs: Sequence[Job], sent: Callable[[Said], None]) -> None:
    """Send all parts, calling `sent`, from several threads, as the stream accepts rides.

    If one fails, or this process is interrupted, all are ended as by Ctrl-C, and what they have
    sent by then counts. Raises `UserError` with the message of the first to fail.
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
