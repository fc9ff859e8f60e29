"""Kills or stops the function processes of one LocalStack, and counts kills and timeouts."""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PAUSE_SECONDS: Final = (1.0, 5.0)
_STOPPED_SHARE: Final = 0.1
"""Share of processes stopped instead; LocalStack kills each when its invocation times out, and its
shard is blocked until then."""
_PROCESSES: Final = Path("/proc")
_RUNTIME: Final = b"\0awslambdaric\0"


class Killer:
    """Every few seconds, kills one running function, or stops it in a share of cases."""

    def __init__(
        self, localstack_pid: int, seed: int, stopped_share: float = _STOPPED_SHARE
    ) -> None:
        self.kills = 0
        self._parent = localstack_pid
        self._random = random.Random(seed)
        self._stopped_share = stopped_share
        self._stopped: set[int] = set()
        self._timeouts = 0

    @contextmanager
    def killing(self) -> Iterator[None]:
        """Kills functions while the context is active."""
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def timeouts(self) -> int:
        """How many stopped processes LocalStack has ended by now."""
        gone = self._stopped - set(functions_of(self._parent))
        self._stopped -= gone
        self._timeouts += len(gone)
        return self._timeouts

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(self._random.uniform(*_PAUSE_SECONDS)):
            self.strike()

    def strike(self) -> None:
        """Kills or stops one function, if any is running."""
        self.timeouts()  # forget the dead first: their pids may be reused
        running = [pid for pid in functions_of(self._parent) if pid not in self._stopped]
        if not running:
            return
        pid, stopped = self._random.choice(running), self._random.random() < self._stopped_share
        with contextlib.suppress(ProcessLookupError):  # it has just exited
            os.kill(pid, signal.SIGSTOP if stopped else signal.SIGKILL)
            if stopped:
                self._stopped.add(pid)
            else:
                self.kills += 1


def functions_of(parent: int) -> list[int]:
    """Child processes of `parent` that run a function."""
    return [
        int(process.name) for process in _PROCESSES.glob("[0-9]*") if _is_function(process, parent)
    ]


def _is_function(process: Path, parent: int) -> bool:
    try:
        # The program's name, in parentheses, may contain spaces and parentheses.
        after_name = (process / "stat").read_bytes().rpartition(b")")[2].split()
        return int(after_name[1]) == parent and _RUNTIME in (process / "cmdline").read_bytes()
    except OSError:
        return False  # it has exited
