"""Sends, watches and verifies rides through a stack with the simulator's own commands."""

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from infra.stack import Stack, StepFailed

_WATCH_SECONDS: Final = 2
"""Interval between progress lines."""
_WATCH_END_SECONDS: Final = 60.0


FAULTS: Final = (
    *("--malformed", "0.01"),
    *("--fault", "duplicate=0.01", "--fault", "out-of-order=0.02", "--fault", "aggregated=0.01"),
)
"""Mixed into rides that are sent for minutes."""


class Account(msgspec.Struct, frozen=True):
    """The fields used of the output of `python -m stream_sim verify --json`.

    `models` counts predictions by name and version. `clean`, from the exit code: every ride has its
    expected outcome.
    """

    rides: dict[str, int]
    models: dict[str, int]
    unexpected_count: int
    latency_ms: dict[str, float] | None
    rides_per_second: float | None
    accuracy: dict[str, dict[str, Any]]
    clean: bool = True


def sent(deployed: Stack, folder: Path, *options: str) -> None:
    """Sends rides, with their ledger in `folder`. Raises `StepFailed`."""
    deployed.command("stream_sim", "send", "--out", str(folder), *options)


@contextmanager
def sending(deployed: Stack, folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Sends rides in the background; waits for the end at exit. Raises `StepFailed`."""
    send = deployed.start("stream_sim", "send", "--out", str(folder), *options)
    yield send
    code = send.wait()
    deployed.let_go(send)
    if code != 0:
        raise StepFailed("stream_sim send", code)


def verified(
    deployed: Stack, folder: Path, deadline_seconds: float, *, errors: int | None = None
) -> Account:
    """Accounts for the rides sent; complaints go to the file `errors`, if given, else to ours.

    Raises `StepFailed` if there is no account.
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
    """Writes a run's figures to summary.json in its folder."""
    encoded = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    (folder / "summary.json").write_bytes(encoded + b"\n")


@contextmanager
def watched(deployed: Stack) -> Iterator[None]:
    """Prints a progress line every other second while the context is active."""
    watch = deployed.start("operations", "watch", "--plain", "--every", str(_WATCH_SECONDS))
    try:
        yield
    finally:
        watch.terminate()  # background processes of a shell ignore SIGINT
        with contextlib.suppress(subprocess.TimeoutExpired):
            watch.wait(_WATCH_END_SECONDS)
            deployed.let_go(watch)
