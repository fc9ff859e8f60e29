"""The command line for running a deployment: options in, each command's module does the rest."""

from pathlib import Path
from typing import Annotated

import typer

from infra.common import console
from infra.common.paths import OUT, TERRAFORM
from operations.redrive.options import MOST_RECORD_AGE_SECONDS, Source

app = console.new_app("Plans what a deployment costs, watches one, and redrives what it set aside.")

PredictionsStream = Annotated[
    str, typer.Option("--stream", envvar="PREDICTIONS_STREAM_NAME", help="The predictions stream.")
]
RejectsBucket = Annotated[
    str, typer.Option(envvar="REJECTS_BUCKET", help="Bucket of rejected and failed rides.")
]


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

    Example: python -m operations plan --rides-per-second 4000 --tfvars terraform/envs/prod.tfvars
    """
    from operations.plan import command
    from operations.plan.basis import Traffic

    traffic = Traffic(rejects, aggregate_input)
    command.run(rides_per_second, tfvars, traffic, out, as_json=as_json)


@app.command()
def watch(
    events_stream: Annotated[
        str, typer.Option(envvar="EVENTS_STREAM_NAME", help="The events stream.")
    ],
    stream: PredictionsStream,
    rejects_bucket: RejectsBucket,
    plain: Annotated[
        bool, typer.Option("--plain", help="Lines instead of a live page, as in a pipe.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="Seconds from one line to the next.")
    ] = 5.0,
    duration: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=86_400, help="Seconds to watch for; by default until q or Ctrl-C."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as JSON.")] = False,
) -> None:
    """Watch rides, predictions and rejects live: a page on a terminal, or lines.

    It reads both streams from now on, as one more consumer of each: two of the five reads a second
    that a shard allows, four while it is behind.

    Example: python -m operations watch

    Example: python -m operations watch --plain --every 10
    """
    from operations.watch import command

    command.run(
        command.Request(
            events_stream=events_stream,
            stream=stream,
            rejects_bucket=rejects_bucket,
            plain=plain,
            as_json=as_json,
            every=every,
            duration=duration,
        )
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
        str | None,
        typer.Option(help="Only what was set aside since: 2023-01-14T08:31:00Z, 90m, 2h or 3d."),
    ] = None,
    record_age: Annotated[
        int,
        typer.Option(
            envvar="RECORD_AGE_SECONDS",
            min=60,
            max=MOST_RECORD_AGE_SECONDS,
            help="Seconds that a ride may wait before it is set aside, Terraform's "
            "record_age_seconds: --since looks as much further back.",
        ),
    ] = MOST_RECORD_AGE_SECONDS,
    rate: Annotated[
        float, typer.Option(min=0.1, max=1e6, help="Records of up to 1 KiB a second.")
    ] = 500.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be sent.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send rejected or failed records to the events stream again. Repeating it is safe.

    Only records of the call that was in flight when a run was killed, and records whose response
    was lost, may be sent twice.

    Example: python -m operations redrive --from rejects --reason model_output --since 2h
    """
    from operations.redrive import command

    command.run(
        command.Request(
            *(source, stream, rejects_bucket, reasons or [], since),
            *(record_age, rate, dry_run, as_json),
        ),
        console.progress(),
    )
