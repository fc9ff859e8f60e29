"""The training side's command line: options in, sentences, tables and JSON out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import boto3
import typer

from infra.common import console
from infra.common.paths import OUT
from infra.common.steps import Steps
from training.models import DEFAULT_KIND
from training.names import CHALLENGER, CHAMPION, MODEL, not_followed, serving_alias

if TYPE_CHECKING:
    from ride_scoring import domain
    from trips.rules import RuleSet

app = console.new_app("Takes a model of ride durations from trip records to champion, and back.")
data_app = console.new_app("Downloads trip records, and reports on them.")
app.add_typer(data_app, name="data")

_DATA = "a month (2023-01, yellow/2023-01), a parquet file, s3://bucket/key or synthetic:COUNT:SEED"
SourcesArgument = Annotated[list[str], typer.Argument(metavar="DATA…", help=f"Each {_DATA}.")]
TrainOption = Annotated[list[str], typer.Option("--train", help=f"Data to train on: {_DATA}.")]
ValidateOption = Annotated[
    list[str] | None,
    typer.Option("--validate", help="Data to measure on, named like the data to train on."),
]
RequiredValidateOption = Annotated[
    list[str],
    typer.Option("--validate", help="Data to measure on, named like the data to train on."),
]
CourseOption = Annotated[
    bool, typer.Option("--course", help="Use the MLOps Zoomcamp's filter: 1 to 60 minutes.")
]
SeedOption = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same result.")
]
NameOption = Annotated[str, typer.Option(envvar="MODEL_NAME", help="Registered model.")]
KindOption = Annotated[
    str, typer.Option("--model", help="Kind of model to fit, by its name in the catalogue.")
]
AliasOption = Annotated[str, typer.Option(envvar="MODEL_ALIAS", help="Alias that serves.")]
UnknownDataOption = Annotated[
    bool,
    typer.Option(
        "--unknown-data",
        help="Allow a version that does not say which data it was trained on.",
    ),
]
WhichOption = Annotated[
    str, typer.Option("--alias", "--version", help="Alias or number of the version.")
]
BucketOption = Annotated[
    str, typer.Option(envvar="MODEL_BUCKET", help="Bucket of the model store.")
]
MaybeBucketOption = Annotated[
    str | None, typer.Option(envvar="MODEL_BUCKET", help="Bucket of the model store.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@data_app.command("fetch")
def fetch_data(
    months: Annotated[list[str], typer.Argument(help="2023-01, green/2023-01 or yellow/2023-01.")],
) -> None:
    """Download months of TLC's trip records, where they are not here yet; resumes what was cut off.

    Example: python -m training data fetch 2023-01 2023-02
    """
    from trips.data import cache
    from trips.data.fetch import fetch, progress_bar
    from trips.data.months import Month

    for month in [Month.parse(text) for text in months]:
        with progress_bar(str(month)) as progress:
            fetched = fetch(month, cache.folder(), progress=progress)
        kept = fetched.sidecar
        console.out.print(
            f"{month}: {kept.rows:,} trips, {kept.bytes:,} bytes, in {fetched.path}", markup=False
        )


@data_app.command("report")
def report_data(
    sources: SourcesArgument, course: CourseOption = False, as_json: JsonOption = False
) -> None:
    """Summarise the data, and what each rule drops.

    Example: python -m training data report 2023-01
    """
    from trips import data
    from trips.data.report import table

    reports = data.reports_on(sources, _rules(course=course))
    if as_json:
        console.print_json(reports)
    else:
        for report in reports:
            console.out.print(table(report))


@app.command()
def train(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[DATA]…", help=f"Each {_DATA}.")
    ] = None,
    validate: ValidateOption = None,
    model: KindOption = DEFAULT_KIND,
    course: CourseOption = False,
    hyperparameters: Annotated[
        Path | None, typer.Option(help="File written by `search`; by default the current ones.")
    ] = None,
    seed: SeedOption = 0,
    name: NameOption = MODEL,
    alias: Annotated[str, typer.Option(help="Alias for the new version.")] = CHALLENGER,
    as_json: JsonOption = False,
) -> None:
    """Train on trips, synthetic ones unless named, and register the version as the challenger.

    The last fifth of the trips is held out to measure on, unless other data are named.

    Example: python -m training train 2023-01 --validate 2023-02
    """
    from training import datasets

    if alias == serving_alias():
        raise console.UserError(
            f"{alias} serves, and only `python -m training promote` moves it: name another --alias"
        )
    trained_on = sources or [datasets.SYNTHETIC]
    found = datasets.read(trained_on, validate or (), _rules(course=course))
    from training import search  # after the input is known to be good: these are slow
    from training.models.catalogue import kind_of
    from training.train import train as fit

    kind = kind_of(model)
    chosen = search.read(hyperparameters, kind) if hyperparameters else kind.hyperparameters()
    trained = fit(found, name, alias, kind, chosen, seed, Steps(quiet=as_json))
    if as_json:
        console.print_json(trained)
    else:
        console.out.print(
            f"{trained.name} version {trained.version} is {alias}: RMSE {trained.rmse_minutes:.2f} "
            f"minutes on {trained.validation_rides:,} rides of {trained.validated_on}",
            markup=False,
        )


@app.command()
def search(
    train: TrainOption,
    validate: RequiredValidateOption,
    model: KindOption = DEFAULT_KIND,
    course: CourseOption = False,
    trials: Annotated[int, typer.Option(min=1, help="Trials to make, at most.")] = 30,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes to spend, at most.")] = 30.0,
    seed: SeedOption = 0,
    out: Annotated[Path, typer.Option(help="File for the best.")] = OUT
    / "training"
    / "hyperparameters.json",
    as_json: JsonOption = False,
) -> None:
    """Search hyperparameters within a budget; each trial is a run of MLflow's.

    Example: python -m training search --train 2023-01 --validate 2023-02 --minutes 20
    """
    from training import datasets

    console.require_writable(out)
    found = datasets.read(train, validate, _rules(course=course))
    from training.models.catalogue import kind_of
    from training.search import Budget
    from training.search import search as look

    def tell(number: int, rmse: float, best: float) -> None:
        console.err.print(f"  trial {number} of {trials}: RMSE {rmse:.3f}, the best {best:.3f}")

    best = look(found, kind_of(model), Budget(trials, minutes), seed, out, tell)
    if as_json:
        console.print_json(best)
    else:
        console.out.print(
            f"RMSE {best.rmse_minutes:.3f} minutes after {best.trials} trials; the current ones "
            f"give {best.standing_rmse_minutes:.3f}. The best are in {out}: train with "
            f"--model {model} --hyperparameters {out}",
            markup=False,
        )


@app.command()
def compare(
    train: TrainOption,
    validate: RequiredValidateOption,
    course: CourseOption = False,
    seed: SeedOption = 0,
    page: Annotated[Path, typer.Option(help="Where the report goes.")] = OUT
    / "training"
    / "report.html",
    as_json: JsonOption = False,
) -> None:
    """Fit every model on some data and measure it on others; a table, and a page with plots.

    Example: python -m training compare --train 2023-01 --validate 2023-02 --course
    """
    from training import datasets

    console.require_writable(page)
    found = datasets.read(train, validate, _rules(course=course))
    from training.compare import compare as fit_all
    from training.compare import table

    comparison = fit_all(found, seed, page, Steps(quiet=as_json))
    if as_json:
        console.print_json(comparison)
    else:
        console.out.print(table(comparison))
        console.out.print(f"the report is in {page}", markup=False)


@app.command()
def evaluate(
    which: WhichOption = CHALLENGER,
    validate: ValidateOption = None,
    seed: SeedOption = 0,
    name: NameOption = MODEL,
    unknown_data: UnknownDataOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure a registered version, on the data that it was validated on unless others are named.

    Example: python -m training evaluate --alias challenger --validate 2023-03
    """
    from training import tracking
    from training.evaluate import evaluate as measure
    from training.evaluation.terminal import table

    found = measure(
        *(tracking.client(), name, which, validate or (), seed), unknown_data=unknown_data
    )
    if as_json:
        console.print_json(found)
    else:
        console.out.print(table(f"{name} version {found.version}", found.evaluation))
        console.out.print(f"figures are in MLflow's run {found.run_id}", markup=False)


@app.command()
def promote(
    which: WhichOption = CHALLENGER,
    to: AliasOption = CHAMPION,
    validate: ValidateOption = None,
    margin: Annotated[
        float, typer.Option(min=0, help="Minimum improvement in RMSE, in minutes.")
    ] = 0.0,
    force: Annotated[
        bool,
        typer.Option("--force", help="Promote despite all objections; the registry records it."),
    ] = False,
    seed: SeedOption = 0,
    name: NameOption = MODEL,
    unknown_data: UnknownDataOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the challenger the champion where it is better, no slice is worse, and it can serve.

    Example: python -m training promote --validate 2023-02
    """
    from training import tracking
    from training.promote import note
    from training.promote import promote as move

    client = tracking.client()
    done = move(
        *(client, name, which, to, validate or ()),
        margin_minutes=margin,
        force=force,
        seed=seed,
        unknown_data=unknown_data,
        steps=Steps(quiet=as_json),
    )
    if as_json:
        console.print_json(done)
    if not done.promoted:
        console.fail(f"version {done.version} is not promoted: {'; '.join(done.reasons)}", 1)
    if not as_json:
        before = f"in place of version {done.before}" if done.before else "the first"
        console.out.print(
            f"{name} version {done.version} is {to}, {before}: {note(done)}", markup=False
        )


@app.command()
def publish(
    model_bucket: BucketOption,
    model: Annotated[
        str | None,
        typer.Argument(
            help="Any MLflow model: models:/NAME/VERSION, models:/NAME@ALIAS, runs:/RUN/PATH, a "
            "folder or an s3:// address. By default the version that the alias names."
        ),
    ] = None,
    name: NameOption = MODEL,
    alias: AliasOption = CHAMPION,
    tried_on: Annotated[
        list[str] | None,
        typer.Option("--rides", help=f"Rides to try the model on, {_DATA}; synthetic by default."),
    ] = None,
    constant: Annotated[
        bool, typer.Option("--constant", help="It is meant to predict one number for all rides.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a version to the model store, and move an alias's pointer to it.

    Example: python -m training publish
    """
    from training import tracking
    from training.registry import imported
    from training.store.publish import publish as copy

    client = tracking.client()
    rides = _rides(tried_on) if tried_on else None
    registered = imported.version_of(client, model, name) if model else None
    name = registered.name if registered else name
    published = copy(
        *(client, boto3.client("s3"), model_bucket, name, alias),
        registered=registered,
        rides=rides,
        constant=constant,
    )
    _say_where_nobody_looks(name, alias)
    if as_json:
        console.print_json(published)
        return
    before = f", before it version {published.previous}" if published.previous else ""
    compiled = "compiled" if published.compiled else "not compiled"
    console.out.print(
        f"{name} version {published.version} is {alias} in s3://{published.bucket}{before}; "
        f"{compiled}: {published.parity}",
        markup=False,
    )
    if not published.compiled:
        console.err.print(
            "[yellow]the function's zip only reads compiled models: serve this one with the "
            "container image[/yellow]"
        )


@app.command()
def rollback(
    model_bucket: BucketOption,
    name: NameOption = MODEL,
    alias: AliasOption = CHAMPION,
    as_json: JsonOption = False,
) -> None:
    """Move an alias back to the version that it named before, in the store and in the registry.

    Example: python -m training rollback
    """
    from training.store.rollback import follow, roll_back

    done = roll_back(boto3.client("s3"), model_bucket, name, alias)
    _say_where_nobody_looks(name, alias)
    if as_json:
        console.print_json(done)
    else:
        console.out.print(
            f"{name} version {done.version} is {alias} again in s3://{done.bucket}, in place of "
            f"version {done.rolled_back}",
            markup=False,
        )
    from training import tracking  # the function goes back first: MLflow takes seconds

    try:
        follow(tracking.client(), done)
    except console.UserError as error:
        console.fail(
            f"the store is rolled back, but the registry's {alias} is not, and the next publish "
            f"would bring version {done.rolled_back} back: {error}",
            1,
        )


@app.command()
def history(
    model_bucket: MaybeBucketOption = None,
    name: NameOption = MODEL,
    as_json: JsonOption = False,
) -> None:
    """List who moved which alias when and why: in the registry, and in the store if it is named.

    Example: python -m training history
    """
    from training import tracking
    from training.history import history as look
    from training.history import lines
    from training.store.bucket import store_bucket

    store = store_bucket(boto3.client("s3"), model_bucket) if model_bucket else None
    entries = look(tracking.client(), store, name)
    if as_json:
        console.print_json(entries)
    else:
        said = lines(entries) or [f"no alias of {name} was ever moved"]
        console.out.print("\n".join(said), markup=False)


@app.command()
def trace(
    prediction: Annotated[
        str,
        typer.Argument(
            help="event_id of a prediction, or the prediction as JSON; - reads standard input."
        ),
    ],
    stream: Annotated[
        str | None,
        typer.Option(envvar="PREDICTIONS_STREAM_NAME", help="Where to look for an event_id."),
    ] = None,
    events_stream: Annotated[
        str | None,
        typer.Option(
            envvar="EVENTS_STREAM_NAME", help="Stream of the events, for when its event arrived."
        ),
    ] = None,
    deadline: Annotated[float, typer.Option(min=1, help="Seconds to look for it.")] = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Go from a prediction to its version, run, data and code, and score its ride again.

    Example: python -m training trace shardId-000000000000:49590338271490256608559692538361571095
    """
    from training import trace as tracing
    from training import tracking

    found = tracing.given(prediction, tracing.Where(stream, events_stream), deadline)
    traced = tracing.trace(tracking.client(), found)
    if as_json:
        console.print_json(traced)
    else:
        console.out.print(tracing.table(traced))
    if not traced.reproduced:
        console.fail(
            f"version {traced.version} now predicts {traced.scored_again_minutes} minutes for this "
            f"ride; the prediction was {traced.prediction.prediction.ride_duration}",
            1,
        )


@app.command()
def run(
    month: Annotated[
        str | None, typer.Argument(help="Month to validate on; the one before trains.")
    ] = None,
    model: KindOption = DEFAULT_KIND,
    model_bucket: MaybeBucketOption = None,
    seed: SeedOption = 0,
    name: NameOption = MODEL,
    alias: AliasOption = CHAMPION,
    prefect: Annotated[
        bool, typer.Option("--prefect", help="As a Prefect flow, with retries and caching.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the whole cycle on a month, by default the newest.

    Data, validation, training, evaluation, promotion, publishing.

    Example: python -m training run 2023-02
    """
    from training import flow_settings

    if prefect:
        flow_settings.apply()
    from training import cycle

    plan = cycle.of_month(month or cycle.newest_month(), name, model, alias, model_bucket, seed)
    if prefect:
        from training.flow import run as do
    else:
        do = cycle.run
    done = do(plan)
    if as_json:
        console.print_json(done)
    else:
        console.out.print(str(done), markup=False)


@app.command()
def schedule(
    cron: Annotated[str, typer.Option(help="Cron expression, in UTC.")] = "0 6 5 * *",
    model: KindOption = DEFAULT_KIND,
    model_bucket: MaybeBucketOption = None,
    seed: SeedOption = 0,
    name: NameOption = MODEL,
    alias: AliasOption = CHAMPION,
) -> None:
    """Do what `run` does on a schedule, by Prefect, until it is stopped.

    Example: python -m training schedule --cron "0 6 5 * *"
    """
    from training import flow_settings

    flow_settings.apply()
    from training.flow import schedule as serve

    serve(cron, name, model, alias, model_bucket, seed)


@app.command("mlflow")
def show_mlflow(
    port: Annotated[
        int, typer.Option(envvar="PORT", min=1, max=65535, help="Port on this machine.")
    ] = 5000,
) -> None:
    """Open MLflow's page on what was trained, until it is stopped.

    Example: python -m training mlflow
    """
    from training.mlflow_page import serve

    serve(port)


def _say_where_nobody_looks(name: str, alias: str) -> None:
    if said := not_followed(name, alias):
        console.err.print(f"[yellow]{said}[/yellow]")


def _rides(sources: list[str]) -> "list[domain.Input]":
    """Up to a thousand rides, spread over the data."""
    import numpy as np

    from trips import data

    trips = data.read(sources).trips
    chosen = np.linspace(0, len(trips) - 1, min(len(trips), 1_000)).astype(np.int64)
    return trips.where(chosen).rides()


def _rules(*, course: bool) -> "RuleSet":
    return "course" if course else "function"
