"""The simulator's command line: options in, and each command's own module does the rest."""

from pathlib import Path
from typing import Annotated

import typer

from infra.common import console

app = console.new_app(
    "Sends taxi rides to the events stream, watches them, and accounts for what became of each."
)
profile = console.new_app("Fits profiles of rides, and compares synthetic rides with real trips.")
app.add_typer(profile, name="profile")

EventsStream = Annotated[
    str, typer.Option("--stream", envvar="EVENTS_STREAM_NAME", help="The events stream.")
]
PredictionsStream = Annotated[
    str, typer.Option("--stream", envvar="PREDICTIONS_STREAM_NAME", help="The predictions stream.")
]
RejectsBucket = Annotated[
    str, typer.Option(envvar="REJECTS_BUCKET", help="Bucket of rejected and failed rides.")
]


@app.command()
def send(
    stream: EventsStream,
    count: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000_000_000,
            help="How many rides; 5000 unless --duration is set, or all of a file with --speed-up.",
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=1e9,
            help="Seconds of arrivals, instead of --count; sending takes longer if the stream "
            "accepts less than the rate.",
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, max=1e6, help="Rides per second; 500 by default.")
    ] = None,
    shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--shape",
            help="How they arrive; several multiply: constant, ramp, steps, burst, diurnal, "
            "poisson; with values as in burst:times=10,seconds=2.",
        ),
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            help="KIND=SHARE of the rides, such as duplicate=0.01; may be repeated. Kinds are "
            "duplicate, late, out-of-order, huge, aggregated, damaged-kpl, and each way to be "
            "malformed: cut-off, empty, not-a-number, latin-1, no-distance, zone-as-text, "
            "newer-schema, zone-0, broken-meter.",
        ),
    ] = None,
    malformed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of rides that can never be scored.")
    ] = 0.01,
    drifts: Annotated[
        list[str] | None,
        typer.Option(
            "--drift",
            help="How the world changes: kilometres, vanished, rush-hour, growth; with values as "
            "in vanished:borough=Queens,after_seconds=30.",
        ),
    ] = None,
    aggregate: Annotated[
        bool, typer.Option("--aggregate", help="Pack many rides in a record, as the KPL does.")
    ] = False,
    fan_out: Annotated[
        bool,
        typer.Option(
            envvar="ENHANCED_FAN_OUT",
            help="Whether the function reads the stream with enhanced fan-out, as Terraform's "
            "`environment` output says: packed rides would be lost there, and are refused.",
        ),
    ] = False,
    trip_file: Annotated[
        Path | None,
        typer.Option("--trips", envvar="RIDES", help="TLC parquet file to send rides from."),
    ] = None,
    speed_up: Annotated[
        float | None,
        typer.Option(min=1e-3, help="Replay the file by its pickup times, sped up by this factor."),
    ] = None,
    profile_file: Annotated[
        Path | None,
        typer.Option("--profile", help="Profile to draw rides from, made by `profile fit`."),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="Number of sending processes; by default as many as the rate needs.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, help="The same seed and --processes give the same rides."),
    ] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the ledger; by default out/runs/<time>.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was sent as JSON.")] = False,
) -> None:
    """Send rides, paced, and note each in a ledger before it is sent.

    Example: python -m stream_sim send --count 1000 --rate 200

    Example: python -m stream_sim send --duration 60 --shape diurnal:day_seconds=60 --shape poisson
    --fault duplicate=0.01 --fault damaged-kpl=0.001
    """
    from stream_sim.send import command
    from stream_sim.send.options import Request

    command.run(
        Request(
            stream=stream,
            count=count,
            duration=duration,
            rate=rate,
            shapes=shapes or [],
            faults=faults or [],
            malformed=malformed,
            drifts=drifts or [],
            aggregate=aggregate,
            fan_out=fan_out,
            trips=trip_file,
            speed_up=speed_up,
            profile=profile_file,
            processes=processes,
            seed=seed,
            out=out,
            as_json=as_json,
        ),
        console.progress(),
    )


@app.command()
def verify(
    stream: PredictionsStream,
    rejects_bucket: RejectsBucket,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the ledger; by default the newest in out/runs.")
    ] = None,
    deadline: Annotated[
        float,
        typer.Option(
            min=1, help="Seconds without a new outcome after which missing rides count as lost."
        ),
    ] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as JSON.")] = False,
) -> None:
    """Account for every ride in a ledger; exit 1 where one is lost, failed or unexpected.

    Writes account.json and report.html beside the ledger. One that was stopped goes on where it
    stood when it is run again.

    Example: python -m stream_sim verify --deadline 60
    """
    from stream_sim.verify import command

    command.run(command.Request(stream, rejects_bucket, out, deadline, as_json), console.progress())


@app.command()
def simulate(
    histories: Annotated[
        int,
        typer.Option(
            min=1, max=10**9, envvar="HISTORIES", help="Number of histories, one seed each."
        ),
    ] = 1_000,
    seed: Annotated[int, typer.Option(min=0, envvar="SEED", help="Seed of the first history.")] = 1,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="By default one per core."),
    ] = None,
) -> None:
    """Run the function through simulated histories of faults, and count which properties break.

    Example: python -m stream_sim simulate --histories 10000 --seed 1
    """
    from stream_sim.simulation import command

    command.simulate(seed, histories, processes)


@app.command("replay-seed")
def replay_seed(
    seed: Annotated[int, typer.Argument(min=0, help="The history's seed.")],
    schedule: Annotated[
        Path | None,
        typer.Option(help="A reduced schedule, to run instead of the seed's whole one."),
    ] = None,
) -> None:
    """Run one simulated history step by step.

    Example: python -m stream_sim replay-seed 529
    """
    from stream_sim.simulation import command

    command.replay(seed, schedule)


@profile.command("fit")
def fit_profile(
    files: Annotated[list[Path], typer.Argument(help="TLC parquet files of ridden trips.")],
    out: Annotated[Path, typer.Option(help="File for the profile.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print what was fitted as JSON.")] = False,
) -> None:
    """Fit a profile to trips: what `send --profile` draws rides from.

    Example: python -m stream_sim profile fit green_tripdata_2023-01.parquet --out green.npz
    """
    from trips.profile import command

    command.fit(files, out, as_json=as_json)


@profile.command("show")
def show_profile(
    real: Annotated[Path, typer.Argument(help="A month of trips, as a TLC parquet file.")],
    neighbour: Annotated[Path, typer.Argument(help="The month before or after it.")],
    profile_file: Annotated[
        Path | None,
        typer.Option("--profile", help="Profile to examine; by default the shipped one."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same rides.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare synthetic rides with a month, with the month's neighbour as a yardstick.

    Example: python -m stream_sim profile show green_tripdata_2023-01.parquet
    green_tripdata_2023-02.parquet
    """
    from trips.profile import command

    command.show(real, neighbour, profile_file, seed, as_json=as_json)


def _moved(command: str) -> None:
    """Keeps the command's old name working: it says its new one, and runs it."""

    @app.command(
        command,
        hidden=True,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def run_where_it_went(context: typer.Context) -> None:
        from operations.cli import app as operations

        console.err.print(
            f"`python -m stream_sim {command}` is now `python -m operations {command}`",
            markup=False,
        )
        operations([command, *context.args])


for _command in ("plan", "redrive", "watch"):
    _moved(_command)
