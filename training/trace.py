"""Traces a prediction to the version, run, data and code that it comes from."""

import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import boto3
import msgspec
from botocore.exceptions import ClientError
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from rich.table import Table

from infra.common.console import UserError
from ride_scoring.domain import Prediction
from ride_scoring.errors import UNREADABLE
from ride_scoring.models import model
from ride_scoring.models.files import Directory
from training.datasets import Lineage
from training.registry import artifacts, model_directory, versions

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_SAME_MINUTES: Final = 1e-6
_BYTE_ORDER_MARK: Final = "\ufeff"
_EVENT_ID: Final = re.compile(r"[\w.-]+:\d+(:[\w-]+){0,2}")
_NOT_TOLD: Final = frozenset(
    {"AccessDeniedException", "InvalidArgumentException", "ResourceNotFoundException"}
)
"""Kinesis errors for a shard or record that has expired or is not accessible."""
_ROUNDING: Final = timedelta(seconds=1)


class Where(msgspec.Struct, frozen=True):
    """The streams to search for a prediction and its event, if named."""

    predictions: str | None = None
    events: str | None = None


class Traced(msgspec.Struct, frozen=True):
    """A prediction's origin. `scored_again_minutes` is the version's prediction for the ride today;
    `reproduced`: it equals the original."""

    prediction: Prediction
    name: str
    version: str
    registered_at: datetime
    aliases: list[str]
    run_id: str
    run_by: str
    metrics: dict[str, float]
    lineage: Lineage
    git_commit: str
    environment_sha256: str
    scored_again_minutes: float
    reproduced: bool


def trace(client: MlflowClient, prediction: Prediction) -> Traced:
    """Raises `UserError` if the registry does not have the prediction's version."""
    version = versions.by_number(client, prediction.model, prediction.version)
    if version.run_id != prediction.run_id:
        raise UserError(
            f"this registry's version {prediction.version} of {prediction.model} is of run "
            f"{version.run_id}, and the prediction of run {prediction.run_id}: it was made by a "
            "model of another registry; set MLFLOW_TRACKING_URI to that one"
        )
    run = client.get_run(prediction.run_id)
    minutes = _scored_again(client, version, prediction)
    return Traced(
        prediction=prediction,
        name=version.name,
        version=prediction.version,
        registered_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        aliases=list(version.aliases),
        run_id=prediction.run_id,
        run_by=_tag(run, "mlflow.user"),
        metrics=dict(run.data.metrics),
        lineage=msgspec.json.decode(artifacts.text(version, artifacts.LINEAGE), type=Lineage),
        git_commit=version.tags.get("git_commit", ""),
        environment_sha256=version.tags.get("environment_sha256", ""),
        scored_again_minutes=minutes,
        reproduced=abs(minutes - prediction.prediction.ride_duration) <= _SAME_MINUTES,
    )


def given(text: str, where: Where, seconds: float) -> Prediction:
    """The prediction in a JSON text, on standard input ("-"), or in the stream, by event_id."""
    if text == "-":
        if sys.stdin is None:
            raise UserError("standard input is closed: give a prediction, or an event_id, to trace")
        text = sys.stdin.buffer.read().decode(errors="surrogateescape")
    text = text.removeprefix(_BYTE_ORDER_MARK).strip()
    if text.startswith("{"):
        return decode(text)
    if not _EVENT_ID.fullmatch(text):
        raise UserError(
            f"{text[:40]!r} is neither one prediction as the function writes it nor an event_id, "
            "such as shardId-000000000000:4959…"
        )
    return find(boto3.Session(), where, text, seconds)


def table(traced: Traced) -> Table:
    """A table for the terminal, from the prediction down to the code."""
    predicted = traced.prediction
    shown = Table(box=None, show_header=False, pad_edge=False)
    shown.add_row(
        "prediction",
        f"{predicted.prediction.ride_duration:.2f} minutes for ride "
        f"{predicted.prediction.ride_id}, scored {predicted.scored_at:%Y-%m-%d %H:%M:%S}Z as "
        f"{predicted.role}",
    )
    aliases = f", {' and '.join(traced.aliases)} now" if traced.aliases else ""
    shown.add_row(
        "version",
        f"{traced.name} {traced.version}, registered {traced.registered_at:%Y-%m-%d %H:%M:%S}Z"
        f"{aliases}",
    )
    rmse = traced.metrics.get("rmse_minutes", float("nan"))
    shown.add_row("run", f"{traced.run_id}, by {traced.run_by}: RMSE {rmse:.2f} minutes")
    for report in traced.lineage.train:
        shown.add_row(
            "data", f"{report.source}, {report.kept:,} of {report.rows:,} trips, {report.sha256}"
        )
    shown.add_row("code", f"commit {traced.git_commit}")
    shown.add_row("environment", f"SHA-256 {traced.environment_sha256}")
    same = "the same" if traced.reproduced else "not the same"
    shown.add_row("scored again", f"{traced.scored_again_minutes:.2f} minutes: {same}")
    return shown


def decode(text: str) -> Prediction:
    """Raises `UserError` if the text is not a prediction."""
    try:
        return msgspec.json.decode(text.encode(errors="surrogateescape"), type=Prediction)
    except UNREADABLE as error:
        raise UserError(
            f"this is not a prediction as the function writes it: {error}; give one whole, or its "
            "event_id"
        ) from error


def find(session: boto3.Session, where: Where, event_id: str, seconds: float) -> Prediction:
    """The event's prediction in the predictions stream: the champion's or, if there is none after
    `seconds`, a shadow's. Raises `UserError` if there is neither.

    Reads from the event's arrival time, known while the events stream retains the event, else from
    the oldest prediction on.
    """
    if where.predictions is None:
        raise UserError(
            "an event_id is looked for in the predictions stream: name it with --stream or "
            "PREDICTIONS_STREAM_NAME, or give the whole prediction"
        )
    kinesis = session.client("kinesis")
    kinesis.describe_stream_summary(StreamName=where.predictions)
    arrived_at = _arrival(kinesis, where.events, event_id) if where.events else None
    shadow: Prediction | None = None
    deadline = time.monotonic() + seconds
    for prediction in _predictions(session, where.predictions, arrived_at, deadline):
        if prediction.event_id != event_id:
            continue
        if prediction.role == "champion":
            return prediction
        shadow = prediction
    if shadow is not None:
        return shadow
    began = f"from {arrived_at:%Y-%m-%d %H:%M:%S}Z on" if arrived_at else "from its oldest on"
    raise UserError(
        f"no prediction of {event_id} was found in {where.predictions}, read {began} for "
        f"{seconds:.0f} seconds: is it among the rejects, older than the stream keeps, or further "
        "behind than --deadline?"
    )


def _arrival(kinesis: "KinesisClient", stream: str, event_id: str) -> datetime | None:
    """The event's arrival in its stream; None if it has expired or may not be read."""
    shard_id, sequence_number = event_id.split(":")[:2]
    try:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream,
            ShardId=shard_id,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            StartingSequenceNumber=sequence_number,
        )["ShardIterator"]
        records = kinesis.get_records(ShardIterator=iterator, Limit=1)["Records"]
    except ClientError as error:
        if error.response["Error"]["Code"] in _NOT_TOLD:
            return None
        raise
    if not records or records[0]["SequenceNumber"] != sequence_number:
        return None
    return records[0]["ApproximateArrivalTimestamp"].astimezone(UTC)


def _predictions(
    session: boto3.Session, stream: str, since: datetime | None, deadline: float
) -> Iterator[Prediction]:
    """Yields predictions from the stream, from `since` or its start, until the deadline; skips
    invalid ones."""
    # Lazy: most traces read no stream.
    from stream_sim.kinesis.predictions import predictions  # noqa: PLC0415
    from stream_sim.kinesis.reader import Checkpoints, StreamReader  # noqa: PLC0415

    # A prediction is written after its event; both times are from the same clock.
    place = Checkpoints(since and since - _ROUNDING)
    with StreamReader(stream, session, place) as reader:
        while time.monotonic() < deadline:
            for page in reader.pages():
                yield from (prediction for _, prediction in predictions(page))


def _scored_again(client: MlflowClient, version: ModelVersion, prediction: Prediction) -> float:
    with model_directory.opened(client, version) as directory:
        loaded = model.load(Directory(directory.path))
        (minutes,) = loaded.predict([prediction.ride], [prediction.arrived_at.timestamp()])
    return max(float(minutes), 0.0)


def _tag(run: Run, name: str) -> str:
    return str(run.data.tags.get(name, ""))
