"""The main demo: brings everything up, sends, watches and counts a compressed day of rides,
redrives failed ones, and takes everything down."""

import shutil
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.table import Table

from infra import lifecycle
from infra.common import console
from infra.common.console import UserError
from infra.common.paths import LOCALSTACK, OUT
from infra.common.steps import Steps
from infra.stack import TrainedModel
from infra.traffic import Account, sent, verified, watched, write_summary

_OUT: Final = OUT / "demo"
_SETUP_SECONDS: Final = LOCALSTACK / "setup-seconds"
"""Written by infra/environments.sh."""
_DEADLINE_SECONDS: Final = 60
_DAY: Final = (
    *("--count", "5000", "--rate", "350"),
    *("--shape", "diurnal:day_seconds=14", "--shape", "poisson"),
)
"""A day from midnight to midnight in 14 seconds; its peak hour is about LocalStack's capacity."""
_FAULTS: Final = (
    *("--malformed", "0.01", "--fault", "duplicate=0.01", "--fault", "late=0.002"),
    *("--fault", "out-of-order=0.02", "--fault", "huge=0.001"),
    *("--fault", "aggregated=0.01", "--fault", "damaged-kpl=0.001"),
)


class Summary(msgspec.Struct, frozen=True):
    """out/demo/summary.json"""

    rides: dict[str, int]
    latency_ms: dict[str, float] | None
    rides_per_second: float | None
    accuracy: dict[str, Any]
    model: TrainedModel
    seconds: dict[str, float]


def demo(port: int | None, *, keep: bool) -> None:
    """Runs the demo. Exit code 1 if a ride is lost, failed or unexpected."""
    steps = Steps()
    with lifecycle.brought_up(port, steps, keep=keep) as (deployed, model):
        shutil.rmtree(_OUT, ignore_errors=True)
        with steps.step("stream", "rides sent, watched and counted"), watched(deployed):
            sent(deployed, _OUT, *_DAY, *_FAULTS)
            before = verified(deployed, _OUT, _DEADLINE_SECONDS)
        with steps.step("redrive", "rejects sent again, and counted") as step:
            deployed.command("operations", "redrive", "--from", "rejects")
            account = verified(deployed, _OUT, _DEADLINE_SECONDS)
            step.line += f": {account.rides['redriven']}"
    summary = _summary(account, model, steps)
    write_summary(_OUT, summary)
    console.out.print(_table(summary))
    if not (before.clean and account.clean):
        raise UserError(f"some rides did not have the expected outcome: {_report()} names them")


def _summary(account: Account, model: TrainedModel, steps: Steps) -> Summary:
    setup = _setup_seconds()
    return Summary(
        rides=account.rides,
        latency_ms=account.latency_ms,
        rides_per_second=account.rides_per_second,
        accuracy=account.accuracy,
        model=model,
        seconds={"setup": setup, **steps.seconds, "total": round(setup + steps.total(), 1)},
    )


def _setup_seconds() -> float:
    try:
        return float(_SETUP_SECONDS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0.0


def _report() -> Path:
    return console.seen_from_here(_OUT / "report.html")


def _table(summary: Summary) -> Table:
    table = Table(title="What became of the rides", show_header=False, title_justify="left")
    for name, count in summary.rides.items():
        table.add_row(name, f"{count:,}")
    for name, milliseconds in (summary.latency_ms or {}).items():
        table.add_row(f"latency {name}", f"{milliseconds:,.0f} ms")
    table.add_row("rides per second", f"{summary.rides_per_second or 0:,.0f}")
    model = summary.model
    table.add_row("model", f"{model.name} {model.version}, RMSE {model.rmse_minutes:.2f} minutes")
    for name, accuracy in summary.accuracy.items():
        table.add_row("  as served", f"{name}, RMSE {accuracy['rmse_minutes']:.2f} minutes")
    table.add_row("seconds", f"{summary.seconds['total']:.0f}")
    table.caption = str(_report())
    return table
