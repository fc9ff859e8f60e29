"""Ends what is left when the process that started it is gone, however that came about.

`processes` starts it and writes process groups to its standard input: `+123` to watch one,
`-123` to let one go. When the input closes, it ends the groups that are still watched. It imports
nothing of the project, so that it starts at once.
"""

import contextlib
import os
import signal
import sys
import time

_PATIENCE_SECONDS = 8.0
"""Time to stop in good order, as terraform and LocalStack do, before they are killed."""


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

    Asks by SIGINT first: Terraform's providers leave that to Terraform, which then finishes and
    notes what it is making, where a SIGTERM would end them in the middle of it.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        _signal(groups, number)
        deadline = time.monotonic() + patience_seconds / 2
        while any(map(leads_a_group, groups)) and time.monotonic() < deadline:
            time.sleep(0.05)
    _signal(groups, signal.SIGKILL)


def leads_a_group(pid: int) -> bool:
    """Whether such a process runs, and leads a process group as our children do."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of ours that ended stands as a zombie until then
    try:
        return os.getpgid(pid) == pid and not _is_zombie(pid)
    except ProcessLookupError:
        return False


def _is_zombie(pid: int) -> bool:
    """Ended, but not yet noticed by its parent; a container's first process can take its time."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - starts without pathlib
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return False  # gone meanwhile, or a system without /proc


def _signal(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)


if __name__ == "__main__":
    main()
