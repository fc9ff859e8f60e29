"""The training side's command line."""

from pathlib import Path
from typing import Annotated

import boto3
import msgspec
import typer

from infra import console
from stream_sim import trips

app = console.new_app("Trains the model of ride durations and publishes it to the model store.")

NameOption = Annotated[str, typer.Option(envvar="MODEL_NAME", help="Registered model.")]
AliasOption = Annotated[str, typer.Option(envvar="MODEL_ALIAS", help="Alias in the registry.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def train(
    trip_file: Annotated[
        Path | None,
        typer.Argument(metavar="[TRIPS]", help="TLC parquet file; synthetic trips unless given."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many synthetic trips.")] = 40_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model.")] = 0,
    name: NameOption = "ride-duration",
    alias: AliasOption = "champion",
    as_json: JsonOption = False,
) -> None:
    """Train on trips, log to MLflow, register the version and set the alias to it.

    Example: python -m training train green_tripdata_2023-01.parquet
    """
    ridden = trips.read(trip_file) if trip_file else trips.synthetic(count, seed)
    source = trip_file.name if trip_file else f"{count} synthetic trips, seed {seed}"
    from training.train import train as fit  # after the input is known to be good: it is slow

    trained = fit(ridden, source, name, alias, seed)
    if as_json:
        console.out.print(msgspec.json.encode(trained).decode(), markup=False)
    else:
        console.out.print(
            f"{trained.name} version {trained.version} is {alias}: RMSE {trained.rmse_minutes:.2f} "
            f"minutes, trained and measured on {trained.rides:,} rides of {source}"
        )


@app.command()
def publish(
    model_bucket: Annotated[
        str, typer.Option(envvar="MODEL_BUCKET", help="Bucket of the model store.")
    ],
    name: NameOption = "ride-duration",
    alias: AliasOption = "champion",
    as_json: JsonOption = False,
) -> None:
    """Copy the version that an alias names to the model store, and move its pointer.

    Example: python -m training publish --alias champion
    """
    from training import tracking
    from training.publish import publish as copy

    published = copy(tracking.client(), boto3.client("s3"), model_bucket, name, alias)
    if as_json:
        console.out.print(msgspec.json.encode(published).decode(), markup=False)
    else:
        before = f", before it version {published.previous}" if published.previous else ""
        compiled = "compiled" if published.compiled else "not compiled"
        console.out.print(
            f"{name} version {published.version} is {alias} in s3://{published.bucket}{before}; "
            f"{compiled}: {published.parity}"
        )
        if not published.compiled:
            console.err.print(
                "[yellow]the function's zip reads compiled models alone: serve this one with the "
                "container image[/yellow]"
            )
