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

from infra.console import UserError
from infra.processes import Children
from stream_sim.send.part import Said
from stream_sim.send.request import Job, encoded

_ERROR: Final = "error: "
_said_decoder: Final = msgspec.json.Decoder(Said)


class _Part:
    """A process that sends one part."""

    def __init__(self, children: Children, job: Job) -> None:
        self._children = children
        self._complaint = b""
        self._process = children.start(
            [sys.executable, "-m", "stream_sim.send.part", encoded(job).decode()],
            os.environ,
            output=subprocess.PIPE,
            errors=subprocess.STDOUT,
        )

    def hear(self, heard: "_Heard") -> None:
        """Passes on what it says, line by line, and at its end nothing."""
        assert self._process.stdout is not None  # noqa: S101 - asked for with PIPE
        with self._process.stdout as output:
            for line in iter(output.readline, b""):
                heard.put((self, line))
        heard.put((self, b""))

    def said(self, line: bytes) -> Said | None:
        """What it sent; None for a line of a complaint, which is kept."""
        try:
            return _said_decoder.decode(line)
        except msgspec.DecodeError:
            self._complaint += line
            return None

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Waits for its end. Raises `UserError` where it failed."""
        code = self._process.wait()
        self._children.let_go(self._process.pid)
        if code:
            complaint = self._complaint.decode(errors="replace").strip().removeprefix(_ERROR)
            raise UserError(complaint or f"a sending process ended with exit code {code}")


_Heard = queue.SimpleQueue[tuple[_Part, bytes]]


def send(jobs: Sequence[Job], sent: Callable[[Said], None]) -> None:
    """Sends all parts, and calls `sent` as the stream takes their rides.

    When one fails, or this process is interrupted, all are ended as by Ctrl-C, and what they send
    until then counts. Raises `UserError` with what the first to fail said.
    """
    heard = _Heard()
    with Children() as children:
        running = {_Part(children, job) for job in jobs}
        for part in running:
            threading.Thread(target=part.hear, args=(heard,), daemon=True).start()
        try:
            while running:
                _take(heard, running, sent)
        except BaseException:
            for part in running:
                part.interrupt()
            while running:
                with contextlib.suppress(UserError):
                    _take(heard, running, sent)
            raise


def _take(heard: _Heard, running: set[_Part], sent: Callable[[Said], None]) -> None:
    part, line = heard.get()
    if not line:
        running.discard(part)
        part.end()
    elif said := part.said(line):
        sent(said)
