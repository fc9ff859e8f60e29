"""The simulator's command line: options in, exit codes and tables out."""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

import boto3
import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra import console
from infra.paths import OUT, TERRAFORM
from ride_scoring import kpl
from ride_scoring.events import Prediction
from stream_sim import ledger, riders, trips
from stream_sim.producer import Producer
from stream_sim.reader import StreamReader
from stream_sim.reconcile import Account, Reconciliation
from stream_sim.redrive import command as redriving
from stream_sim.redrive.options import Source
from stream_sim.set_aside import SetAside

app = console.new_app(
    "Sends taxi rides to the events stream, and accounts for what became of each of them."
)

_SETTLE_SECONDS: Final = 1.0
"""How long predictions are read on after the last ride is accounted for: repeats come late."""
_MOST_IDS_SHOWN: Final = 20


@app.command()
def send(
    stream: Annotated[str, typer.Option(envvar="EVENTS_STREAM_NAME", help="The events stream.")],
    count: Annotated[int, typer.Option(min=1, help="How many rides.")] = 5_000,
    rate: Annotated[float, typer.Option(min=0.1, max=1e6, help="Rides a second.")] = 500.0,
    malformed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of rides that can never be scored.")
    ] = 0.01,
    trip_file: Annotated[
        Path | None,
        typer.Option("--trips", envvar="RIDES", help="TLC parquet file to send rides from."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same rides.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the ledger; out/runs/<time> unless set.")
    ] = None,
) -> None:
    """Send rides, paced, and note each in a ledger.

    Example: python -m stream_sim send --count 1000 --rate 200
    """
    source = trips.read(trip_file) if trip_file else trips.synthetic(count, seed)
    run = uuid4().hex[:8]
    folder = out or OUT / "runs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{run}"
    records = riders.outgoing(source.where(slice(count)), run, malformed, seed)
    if len(records) < count:
        console.err.print(f"{trip_file} holds {len(records)} rides: all of them are sent")
    kinesis = boto3.client("kinesis")
    kinesis.describe_stream_summary(StreamName=stream)  # fail here, before a ledger is begun
    with ledger.Ledger(folder) as book, _progress() as progress:
        task = progress.add_task("sending", total=len(records))
        try:
            Producer(kinesis, stream, book).send(
                records, rate, lambda taken: progress.advance(task, taken)
            )
        except KeyboardInterrupt:
            done = int(progress.tasks[0].completed)
            console.fail(f"stopped after {done} rides, which are in {folder}", 130)
    console.out.print(f"{len(records)} rides sent to {stream}; the ledger is in {folder}")


@app.command()
def verify(
    stream: Annotated[
        str, typer.Option(envvar="PREDICTIONS_STREAM_NAME", help="The predictions stream.")
    ],
    rejects_bucket: Annotated[
        str, typer.Option(envvar="REJECTS_BUCKET", help="Bucket of rejected and failed rides.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the ledger; the newest in out/runs unless set.")
    ] = None,
    deadline: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for outcomes that are missing.")
    ] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as JSON.")] = False,
) -> None:
    """Account for every ride in a ledger; exit 1 where one is lost, failed or unexpected.

    Example: python -m stream_sim verify --deadline 60
    """
    sent = ledger.read(out or ledger.newest(OUT / "runs"))
    session = boto3.Session()
    set_aside = SetAside(session.client("s3"), rejects_bucket)
    reconciliation = Reconciliation(sent)
    with StreamReader(stream, session) as reader, _progress() as progress:
        _await_outcomes(reconciliation, reader, set_aside, len(sent), deadline, progress)
    account = reconciliation.account()
    if as_json:
        console.out.print(msgspec.json.encode(account).decode(), markup=False)
    else:
        console.out.print(_table(account))
    _show_ids("lost", account.lost)
    _show_ids("unexpected", account.unexpected)
    if not account.clean:
        console.fail(
            f"{account.rides.lost} rides lost, {account.rides.failed} failed, "
            f"{len(account.unexpected)} unexpected",
            1,
        )


@app.command()
def redrive(
    source: Annotated[Source, typer.Option("--from", help="What to send again.")],
    stream: Annotated[str, typer.Option(envvar="EVENTS_STREAM_NAME", help="The events stream.")],
    rejects_bucket: Annotated[
        str, typer.Option(envvar="REJECTS_BUCKET", help="Bucket of rejected and failed rides.")
    ],
    reasons: Annotated[
        list[str] | None,
        typer.Option("--reason", help="Rejects of this reason alone; may be repeated."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Set aside since then: 2023-01-14T08:31:00Z, 90m, 2h or 3d.")
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.1, max=1e6, help="Records of up to 1 KiB a second.")
    ] = 500.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent; send and write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send what was set aside to the events stream again, once, however often this is run.

    Only records whose answer could not be written down are sent again by the next run: those of the
    one call that a killed run was at, and those whose answer the network lost.

    Example: python -m stream_sim redrive --from rejects --reason model_output --since 2h
    """
    redriving.run(
        redriving.Request(
            source, stream, rejects_bucket, reasons or [], since, rate, dry_run, as_json
        ),
        _progress(),
    )


@app.command()
def plan(
    rides_per_second: Annotated[
        float, typer.Option(help="Rate to plan for, up to 1,000,000, all month long.")
    ] = 100.0,
    tfvars: Annotated[
        Path,
        typer.Option(
            help="Terraform's variables of the deployment.",
            show_default="terraform/envs/prod.tfvars",
        ),
    ] = TERRAFORM / "envs" / "prod.tfvars",
    rejects: Annotated[
        float, typer.Option(min=0, max=1, help="Share of rides that can never be scored.")
    ] = 0.01,
    aggregate_input: Annotated[
        bool, typer.Option("--aggregate-input", help="Producers pack many rides in a record.")
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Folder for the drawing.", show_default="out/plan")
    ] = OUT / "plan",
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Price a deployment on AWS, and say what it needs and which limit it reaches first.

    Example: python -m stream_sim plan --rides-per-second 4000 --tfvars terraform/envs/prod.tfvars
    """
    from stream_sim.plan import command as planning
    from stream_sim.plan.basis import Traffic

    traffic = Traffic(rejects, aggregate_input)
    planning.run(rides_per_second, tfvars, traffic, out, as_json=as_json)


def _await_outcomes(
    reconciliation: Reconciliation,
    reader: StreamReader,
    set_aside: SetAside,
    total: int,
    deadline_seconds: float,
    progress: Progress,
) -> None:
    """Reads until all rides are accounted for and things have settled, or until the deadline."""
    decoder = msgspec.json.Decoder(Prediction)
    task = progress.add_task("counting", total=total)
    deadline = time.monotonic() + deadline_seconds
    settled_at = float("inf")
    while time.monotonic() < min(deadline, settled_at):
        for record in reader.arrived():
            # What is no prediction, or damaged, is none of ours.
            with contextlib.suppress(msgspec.DecodeError, kpl.DamagedAggregate):
                for content in record.contents():
                    reconciliation.predicted(decoder.decode(content), record.arrived_at)
        for reject in set_aside.new_rejects():
            reconciliation.rejected(reject)
        for failure in set_aside.new_failures():
            reconciliation.failed(failure)
        still_open = reconciliation.open
        progress.update(task, completed=total - still_open)
        if still_open:
            settled_at = float("inf")
        else:
            settled_at = min(settled_at, time.monotonic() + _SETTLE_SECONDS)


def _progress() -> Progress:
    """A bar on a terminal; nothing where the output goes to a file or a pipe."""
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console.err,
        transient=True,
        disable=not console.err.is_terminal,
    )


def _table(account: Account) -> Table:
    table = Table(show_header=False, box=None, pad_edge=True)
    for name, count in msgspec.structs.asdict(account.rides).items():
        table.add_row(name, f"{count:,}")
    for reason, count in sorted(account.reasons.items()):
        table.add_row(f"  rejected: {reason}", f"{count:,}")
    for model, count in sorted(account.models.items()):
        table.add_row(f"  by {model}", f"{count:,}")
    if account.unanswered:
        table.add_row("put, never answered", f"{account.unanswered:,}")
    if account.latency_ms:
        for name, milliseconds in msgspec.structs.asdict(account.latency_ms).items():
            table.add_row(f"latency {name}", f"{milliseconds:,.0f} ms")
    if account.rides_per_second:
        table.add_row("rides per second", f"{account.rides_per_second:,.0f}")
    return table


def _show_ids(title: str, ids: list[str]) -> None:
    for line in ids[:_MOST_IDS_SHOWN]:
        console.err.print(f"{title}: {line}", markup=False)
    if len(ids) > _MOST_IDS_SHOWN:
        console.err.print(f"… and {len(ids) - _MOST_IDS_SHOWN} more")
