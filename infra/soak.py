"""Sends rides for minutes at the highest rate that the stack sustains: none may be lost."""

import shutil
from pathlib import Path
from typing import Final

import msgspec
from rich.table import Table

from infra import lifecycle
from infra.common import console
from infra.common.console import UserError
from infra.common.paths import OUT
from infra.common.steps import Steps
from infra.stack import Stack
from infra.traffic import FAULTS, sent, verified, watched, write_summary

_OUT: Final = OUT / "soak"
_TRIAL: Final = ("--count", "6000", "--rate", "20000")
"""More than a stack on one machine can handle, so its throughput is its capacity."""
_HELD: Final = 0.8
"""Share of the capacity to send at: sending and counting take CPU too."""
_DEADLINE_SECONDS: Final = 120


class Summary(msgspec.Struct, frozen=True):
    """out/soak/summary.json. `rate` is the requested rides per second."""

    minutes: float
    rate: float
    rides: dict[str, int]
    latency_ms: dict[str, float] | None
    rides_per_second: float | None


def soak(port: int | None, minutes: float) -> None:
    """Soaks the standing stack or a temporary one. Exit code 1 if a ride is lost, failed or
    unexpected."""
    steps = Steps()
    with lifecycle.standing_or_brought_up(port, steps) as deployed:
        shutil.rmtree(_OUT, ignore_errors=True)
        with steps.step("trial", "trial") as step:
            held = _held(deployed)
            rate = round(_HELD * held, 1)
            step.line += f": it holds {held:,.0f} rides/s; {rate:,.0f} asked"
        with steps.step("soak", f"{minutes:g} minutes of rides"), watched(deployed):
            duration = ("--duration", f"{minutes * 60:g}", "--rate", f"{rate:g}")
            sent(deployed, _OUT / "run", *duration, *FAULTS)
            account = verified(deployed, _OUT / "run", _DEADLINE_SECONDS)
    summary = Summary(minutes, rate, account.rides, account.latency_ms, account.rides_per_second)
    write_summary(_OUT, summary)
    console.out.print(_table(summary))
    if not account.clean:
        raise UserError(
            f"some rides did not have the expected outcome: {_report('run')} names them"
        )


def _held(deployed: Stack) -> float:
    """Throughput in rides per second when overloaded. Raises `UserError`."""
    sent(deployed, _OUT / "trial", *_TRIAL)
    trial = verified(deployed, _OUT / "trial", _DEADLINE_SECONDS)
    if not trial.clean or not trial.rides_per_second:
        raise UserError(
            f"some rides did not have the expected outcome: {_report('trial')} names them"
        )
    return trial.rides_per_second


def _table(summary: Summary) -> Table:
    table = Table(title="What became of the rides", show_header=False, title_justify="left")
    table.add_row("minutes", f"{summary.minutes:g}")
    table.add_row("rides a second, asked", f"{summary.rate:,.0f}")
    for name, count in summary.rides.items():
        table.add_row(name, f"{count:,}")
    for name, milliseconds in (summary.latency_ms or {}).items():
        table.add_row(f"latency {name}", f"{milliseconds:,.0f} ms")
    table.caption = str(_report("run"))
    return table


def _report(run: str) -> Path:
    return console.seen_from_here(_OUT / run / "report.html")
