"""`python -m stream_sim verify`: accounts for the run in a folder, and writes its report."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import boto3
import msgspec
import numpy as np
from rich.progress import Progress
from rich.table import Table

from infra.common import console
from infra.common.console import UserError
from infra.common.paths import OUT
from stream_sim import ledger
from stream_sim.ledger import Run, Taken
from stream_sim.verify import explained
from stream_sim.verify.account import Account, Findings
from stream_sim.verify.journal import Journal
from stream_sim.verify.reading import Outcomes
from stream_sim.verify.reconciliation import Reconciliation
from stream_sim.verify.report import html_page as report
from stream_sim.verify.rides import Rides
from stream_sim.verify.timeline import Timeline

ACCOUNT: Final = "account.json"
_MOST_NAMED: Final = 20


class Request(msgspec.Struct, frozen=True):
    """The command's options, as given; `deadline` is seconds without a new outcome."""

    stream: str
    rejects_bucket: str
    out: Path | None
    deadline: float
    as_json: bool


def run(request: Request, progress: Progress) -> None:
    """Account for every ride of a run; exit code 1 if one is lost, failed or unexpected.

    Raises `UserError` and boto3's errors.
    """
    folder = request.out or ledger.newest(OUT / "runs")
    runs = ledger.runs(folder)
    with Journal(folder, request.stream) as book, progress:
        findings = _findings(request, folder, runs, book, progress)
    # Printed first: it took long to compute, and the disk may be full.
    _show(findings.account, as_json=request.as_json)
    _write(folder / ACCOUNT, findings)
    written = report.write(folder, findings)
    if not request.as_json:
        console.out.print(f"report: {written}", markup=False)
    _complain(findings.account)


def _findings(
    request: Request, folder: Path, runs: Mapping[int, Run], book: Journal, progress: Progress
) -> Findings:
    began_at = min(part.began_at for part in runs.values())
    run_id = runs[min(runs)].run
    timeline = Timeline(began_at)
    outcomes = Outcomes(run_id, began_at, request.stream, request.rejects_bucket, boto3.Session())
    with contextlib.ExitStack() as stack:
        rides = {part: stack.enter_context(Rides(folder)) for part in runs}
        for part, table in rides.items():
            _read_ledger(folder, part, table, timeline)
        reconciliation = Reconciliation(run_id, rides, timeline)
        total = reconciliation.open
        task = progress.add_task("counting", total=total)
        outcomes.read_into(
            reconciliation,
            book,
            request.deadline,
            lambda: progress.update(task, completed=total - reconciliation.open),
        )
        reconciliation.settle()
        return Findings(
            runs=list(runs.values()),
            predictions_stream=request.stream,
            rejects_bucket=request.rejects_bucket,
            verified_at=datetime.now(UTC),
            account=explained.account(reconciliation, runs),
            moments=timeline.moments(),
            latency_classes=timeline.latency_classes(),
        )


def _read_ledger(folder: Path, part: int, rides: Rides, timeline: Timeline) -> None:
    for entry in ledger.entries(folder, part):
        rides.add(entry)
        if isinstance(entry, Taken):
            taken = sum(record.packed or 1 for record in entry.records)
            timeline.count("sent", np.full(taken, entry.sent_at))


def _write(path: Path, findings: Findings) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    try:
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(findings), indent=2) + b"\n")
        unfinished.replace(path)  # whole or not at all
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): free some space") from None


def _show(account: Account, *, as_json: bool) -> None:
    if as_json:
        console.print_json(account)
    else:
        console.out.print(_table(account))


def _complain(account: Account) -> None:
    """List what is lost or unexpected, and exit with code 1 if anything is wrong."""
    _show_ids("lost", account.lost, account.rides.lost)
    _show_ids("unexpected", account.unexpected, account.unexpected_count)
    if not account.clean:
        console.fail(
            f"{account.rides.lost} rides lost, {account.rides.failed} failed, "
            f"{account.unexpected_count} unexpected",
            1,
        )


def _table(account: Account) -> Table:
    table = Table(show_header=False, box=None, pad_edge=True)
    for name, count in msgspec.structs.asdict(account.rides).items():
        table.add_row(name, f"{count:,}")
    for reason, count in account.reasons.items():
        table.add_row(f"  rejected: {reason}", f"{count:,}")
    for fault, survived in account.faults.items():
        table.add_row(f"  sent {fault}", f"{survived.sent:,}, {survived.as_expected:,} as expected")
    for model, count in account.models.items():
        table.add_row(f"  by {model}", f"{count:,}{_accuracy(account, model)}")
    if account.unanswered:
        table.add_row("in doubt", f"{account.unanswered:,}")
    if account.latency_ms:
        for name, milliseconds in msgspec.structs.asdict(account.latency_ms).items():
            table.add_row(f"latency {name}", f"{milliseconds:,.0f} ms")
    if account.rides_per_second:
        table.add_row("rides per second", f"{account.rides_per_second:,.0f}")
    return table


def _accuracy(account: Account, model: str) -> str:
    accuracy = account.accuracy.get(model)
    return f", RMSE {accuracy.rmse_minutes:.2f} minutes as served" if accuracy else ""


def _show_ids(title: str, ids: Sequence[str], count: int) -> None:
    for line in ids[:_MOST_NAMED]:
        console.err.print(f"{title}: {line}", markup=False)
    if len(ids) > _MOST_NAMED:
        console.err.print(f"… of {count:,}")
