"""Runs a local server in its own process group, for as long as it is needed."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.common import console
from infra.common.console import UserError
from infra.common.processes import Children
from infra.common.reaper import end

_START_SECONDS: Final = 600.0
"""On a machine that is busy with others; it is over as soon as the process ends."""
_STOP_SECONDS: Final = 6.0


@contextmanager
def running(
    title: str, command: Sequence[str], environment: Mapping[str, str], health: str, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a server, waits until it answers at the URL `health`, and ends all its processes at
    exit.

    Its output goes to `log`. Raises `UserError` if it does not start or the log cannot be written.
    """
    console.require_writable(log)
    with Children() as children, log.open("wb") as output:
        process = children.start(command, environment, output=output, errors=subprocess.STDOUT)
        try:
            if not _answers(process, health):
                raise UserError(f"{title} does not start: {log} says why")
            yield process
        finally:
            end({process.pid}, _STOP_SECONDS)


def _answers(process: subprocess.Popen[bytes], health: str) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while process.poll() is None and time.monotonic() < deadline:
        try:
            opener.open(health, timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return True
    return False
