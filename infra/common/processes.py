"""Child processes that never outlive us, unless detached.

Each child leads its own process group, so Ctrl-C reaches only us and we shut them down in order. If
we are killed, a reaper holding the other end of a pipe ends them.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from infra.common.paths import ROOT


class Children:
    """A context that ends its children on exit."""

    def __enter__(self) -> Self:
        self._started: list[subprocess.Popen[bytes]] = []
        self._reaper = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("reaper.py")],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        assert self._reaper.stdin is not None  # noqa: S101 - started with PIPE
        self._told = self._reaper.stdin
        return self

    def __exit__(self, *_: object) -> None:
        self._told.close()
        self._reaper.wait()
        for child in self._started:
            child.poll()

    def start(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        output: IO[bytes] | int | None = None,
        errors: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Starts a child in the checkout's root. Its standard error is ours, or `errors`."""
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        self._tell(f"+{child.pid}")
        self._started.append(child)
        return child

    def run(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        errors: int | None = None,
    ) -> tuple[int, bytes]:
        """Runs a child until it exits: its exit code and standard output."""
        child = self.start(command, environment, output=subprocess.PIPE, errors=errors)
        said, _ = child.communicate()
        self.let_go(child.pid)
        return child.returncode, said

    def let_go(self, pid: int) -> None:
        """Stops tracking a child: it has exited, or is to outlive us."""
        self._tell(f"-{pid}")

    def _tell(self, line: str) -> None:
        self._told.write(f"{line}\n")
        self._told.flush()
