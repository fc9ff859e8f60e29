"""Ends the processes that are left when the process that started it is gone, for whatever reason.

`processes` starts it and writes process groups to its standard input: `+123` to watch one, `-123`
to release one. When the input closes, it ends the groups still watched. It imports nothing of the
project, to start fast.
"""

import contextlib
import os
import signal
import sys
import time

_PATIENCE_SECONDS = 8.0
"""Grace period for terraform and LocalStack to shut down cleanly before they are killed."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watched: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (watched.add if line.startswith("+") else watched.discard)(group)
    end(watched, _PATIENCE_SECONDS)


def end(groups: set[int], patience_seconds: float) -> None:
    """Asks the groups to end, and kills what is left after a while.

    Sends SIGINT first: Terraform's providers leave it to Terraform, which then finishes and records
    what it is creating; SIGTERM would end them midway.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        _signal(groups, number)
        deadline = time.monotonic() + patience_seconds / 2
        while any(map(leads_a_group, groups)) and time.monotonic() < deadline:
            time.sleep(0.05)
    _signal(groups, signal.SIGKILL)


def leads_a_group(pid: int) -> bool:
    """Whether this process runs and leads a process group, as our children do."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # reap our own child, which would otherwise remain a zombie
    try:
        return os.getpgid(pid) == pid and not _is_zombie(pid)
    except ProcessLookupError:
        return False


def _is_zombie(pid: int) -> bool:
    """Exited but not yet reaped by its parent; a container's init process can be slow to reap."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - avoids importing pathlib
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return False  # it has exited, or the system has no /proc


def _signal(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)


if __name__ == "__main__":
    main()
