"""Rides through a stack, by the simulator's own commands: sent, watched, verified."""

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from infra.stack import Stack, StepFailed

_WATCH_SECONDS: Final = 2
"""How often a line is printed of what goes on."""
_WATCH_END_SECONDS: Final = 60.0


FAULTS: Final = (
    *("--malformed", "0.01"),
    *("--fault", "duplicate=0.01", "--fault", "out-of-order=0.02", "--fault", "aggregated=0.01"),
)
"""Among rides that are sent for minutes."""


class Account(msgspec.Struct, frozen=True):
    """What `python -m stream_sim verify --json` says, as far as it is shown here.

    `models` counts predictions by name and version. `clean` is its exit code: whether every ride
    came to what it had to.
    """

    rides: dict[str, int]
    models: dict[str, int]
    unexpected_count: int
    latency_ms: dict[str, float] | None
    rides_per_second: float | None
    accuracy: dict[str, dict[str, Any]]
    clean: bool = True


def sent(deployed: Stack, folder: Path, *options: str) -> None:
    """Sends rides, their ledger in the folder. Raises `StepFailed`."""
    deployed.command("stream_sim", "send", "--out", str(folder), *options)


@contextmanager
def sending(deployed: Stack, folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A context in which rides are sent, and at whose end they were. Raises `StepFailed`."""
    send = deployed.start("stream_sim", "send", "--out", str(folder), *options)
    yield send
    code = send.wait()
    deployed.let_go(send)
    if code != 0:
        raise StepFailed("stream_sim send", code)


def verified(
    deployed: Stack, folder: Path, deadline_seconds: float, *, errors: int | None = None
) -> Account:
    """Accounts for what was sent, what is wrong said to `errors`, a file, in place of ours.

    Raises `StepFailed` where there is no account.
    """
    code, said = deployed.run(
        *("stream_sim", "verify", "--out", str(folder)),
        *("--deadline", str(deadline_seconds), "--json"),
        errors=errors,
    )
    if not said:
        raise StepFailed("stream_sim verify", code)
    account = msgspec.json.decode(said, type=Account)
    return msgspec.structs.replace(account, clean=code == 0)


def write_summary(folder: Path, summary: msgspec.Struct) -> None:
    """The figures of a run, as summary.json in its folder."""
    encoded = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    (folder / "summary.json").write_bytes(encoded + b"\n")


@contextmanager
def watched(deployed: Stack) -> Iterator[None]:
    """A context in which a line is printed every other second of what goes on."""
    watch = deployed.start("operations", "watch", "--plain", "--every", str(_WATCH_SECONDS))
    try:
        yield
    finally:
        watch.terminate()  # Ctrl-C is ignored by what a shell runs in the background
        with contextlib.suppress(subprocess.TimeoutExpired):
            watch.wait(_WATCH_END_SECONDS)
            deployed.let_go(watch)
