"""A command in, a running Lambda runtime out: start it, hand it events, know when it dies.

Imports nothing of LocalStack, so it is tested without it.
"""

import json
import math
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from localstack_processes.runtime_api import (
    Answered,
    Exited,
    InitFailed,
    Invocation,
    Message,
    Ready,
    RuntimeApi,
)

_MAX_LOG_BYTES: Final = 1024 * 1024
"""What is shown of what a process wrote in one invocation."""


@dataclass(frozen=True)
class Outcome:
    """What an invocation came to. `payload` is the function's JSON, or an error document."""

    payload: bytes
    is_error: bool
    milliseconds: float
    peak_memory_mb: int


class StartFailed(Exception):
    """The process did not get as far as asking for an event; `payload` is an error document."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload


class Stopped(Exception):
    """The process was stopped from outside while an invocation ran."""


class RuntimeProcess:
    """One runtime process and the Runtime API that feeds it."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> None:
        self._api = RuntimeApi()
        self._log = _Log()
        self._stopped = False
        # Left in the group of its parent, so that whoever ends LocalStack's group ends it too.
        self._process = subprocess.Popen(
            command,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": self._api.address},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=self._log.file,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._report_exit, daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._stopped and self._process.poll() is None

    def await_ready(self, timeout_seconds: float) -> None:
        """Waits until the process asks for its first event. Raises `StartFailed`."""
        message = self._wait_for(
            lambda message: not isinstance(message, Answered), time.monotonic() + timeout_seconds
        )
        if isinstance(message, Ready):
            return
        self.stop()
        match message:
            case InitFailed(payload):
                raise StartFailed(payload)
            case Exited(code):
                raise StartFailed(_exit_error(None, code))
            case _:
                raise StartFailed(_timeout_error("Init", timeout_seconds))

    def invoke(self, invocation: Invocation, timeout_seconds: float) -> Outcome:
        """Hands over one event and waits for what comes of it. Raises `Stopped`."""
        started = time.perf_counter()
        self._api.invocations.put(invocation)
        message = self._wait_for(
            lambda message: (
                isinstance(message, Exited)
                or (isinstance(message, Answered) and message.request_id == invocation.request_id)
            ),
            time.monotonic() + timeout_seconds,
        )
        if self._stopped:
            raise Stopped
        peak_memory_mb = self._peak_memory_mb()
        match message:
            case Answered(_, payload, is_error):
                pass
            case Exited(code):
                payload, is_error = _exit_error(invocation.request_id, code), True
            case _:
                self.stop()
                payload, is_error = _timeout_error(invocation.request_id, timeout_seconds), True
        return Outcome(payload, is_error, (time.perf_counter() - started) * 1000, peak_memory_mb)

    def stop(self) -> None:
        """Ends the process, as Lambda does: at once."""
        if self._stopped:
            return
        self._stopped = True
        self._process.kill()
        self._process.wait()
        self._api.close()
        self._log.close()

    def take_log(self) -> str:
        """What the process wrote since the last call."""
        return self._log.take()

    def _report_exit(self) -> None:
        self._api.messages.put(Exited(self._process.wait()))

    def _wait_for(self, wanted: Callable[[Message], bool], deadline: float) -> Message | None:
        """The next message that is wanted, or None at the deadline (`time.monotonic` seconds)."""
        while True:
            try:
                message = self._api.messages.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if wanted(message):
                return message

    def _peak_memory_mb(self) -> int:
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_bytes().decode(errors="replace")
        except OSError:
            return 0  # no /proc on this system, or the process has ended
        for line in status.splitlines():
            if line.startswith("VmHWM"):
                return math.ceil(int(line.split()[1]) / 1024)
        return 0


class _Log:
    """A file that a process writes its log to, read piece by piece.

    Unlike a pipe that a thread empties, it is complete once the response has arrived.
    """

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile(mode="ab+")  # noqa: SIM115 - lives as long as we do
        self._taken = 0
        self._rest = ""

    def close(self) -> None:
        """Keeps what is left to take, and nothing on the disk."""
        self._rest = self.take()
        self.file.close()

    def take(self) -> str:
        """What was written since the last call; its end, where that is very much."""
        if self.file.closed:
            rest, self._rest = self._rest, ""
            return rest
        size = os.fstat(self.file.fileno()).st_size
        start, self._taken = max(self._taken, size - _MAX_LOG_BYTES), size
        return os.pread(self.file.fileno(), size - start, start).decode(errors="replace")


def _exit_error(request_id: str | None, code: int) -> bytes:
    how = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    prefix = f"RequestId: {request_id} " if request_id else ""
    return _error("Runtime.ExitError", f"{prefix}Error: Runtime exited with error: {how}")


def _timeout_error(what: str, seconds: float) -> bytes:
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    return _error("Sandbox.Timedout", f"{at} {what} timed out after {seconds:.2f} seconds")


def _error(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()
