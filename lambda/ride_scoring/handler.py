"""Lambda's entry point: wires the modules together once, at the first call, and holds no logic."""

import functools
import gc
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ride_scoring import aws, direct, kinesis_event, settings
from ride_scoring.errors import SettingsError
from ride_scoring.events import Role
from ride_scoring.model_files import Directory, ModelFiles, S3Directory
from ride_scoring.model_store import ModelStore
from ride_scoring.ports import CALL_SECONDS, Objects, Streams
from ride_scoring.rejects import RejectStore
from ride_scoring.scoring import Models, Scorer
from ride_scoring.serving import AliasedModel, ModelWatch, PinnedModel, Unwatched
from ride_scoring.settings import Settings
from ride_scoring.shadow import Shadow
from ride_scoring.sink import PredictionSink
from ride_scoring.telemetry import Telemetry

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


class Function(NamedTuple):
    """What the first call wires."""

    settings: Settings
    models: Models
    scorer: Scorer
    shadow: Shadow | None
    telemetry: Telemetry


def handler(event: Mapping[str, Any], context: "LambdaContext") -> Mapping[str, Any]:
    """Scores one batch of a Kinesis event source mapping, or answers a test run."""
    function = _wired()
    records = kinesis_event.records(event)
    if function.settings.test_run:
        return direct.answer(records, function.models.current(), datetime.now(UTC))
    started = time.perf_counter()

    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    with function.telemetry.segment():
        result = function.scorer.score(records, seconds_left)
        milliseconds = (time.perf_counter() - started) * 1000
        shadow = None
        if function.shadow is not None:
            shadow = function.shadow.score(result.scored, result.scored_at, seconds_left)
    function.telemetry.batch(records, result, shadow, milliseconds, context)
    return result.answer()


@functools.cache
def _wired() -> Function:
    config = settings.read(os.environ)
    telemetry = Telemetry(config.powertools_service_name, tracing=config.tracing)
    services = aws.connect(os.environ)
    models = _models(config, services.s3, telemetry)
    sink = _sink(config, services.kinesis, config.predictions_stream_name)
    rejects = RejectStore(services.s3, config.rejects_go_to)
    scorer = Scorer(models, sink, rejects, writing_seconds=config.reserved_seconds + CALL_SECONDS)
    shadow = _shadow(config, services)
    # What start-up made stays for good: looked through again and again, it makes batches uneven.
    gc.freeze()
    return Function(config, models, scorer, shadow, telemetry)


def _models(config: Settings, s3: Objects, watch: ModelWatch) -> Models:
    allow_pickle = config.mlflow_allow_pickle_deserialization
    if location := config.pinned_location:
        files = _directory(location, s3)
        name, version = config.pinned_name, config.run_id
        return PinnedModel(files, location, name, version, watch, allow_pickle=allow_pickle)
    return _aliased(config, s3, config.model_alias, "champion", watch)


def _aliased(
    config: Settings, s3: Objects, alias: str, role: Role, watch: ModelWatch
) -> AliasedModel:
    return AliasedModel(
        ModelStore(s3, config.model_bucket or "", config.stored_name),
        alias,
        role,
        config.model_refresh_seconds,
        watch,
        allow_pickle=config.mlflow_allow_pickle_deserialization,
    )


def _shadow(config: Settings, services: aws.Aws) -> Shadow | None:
    if config.shadow_alias is None:
        return None
    stream_name = config.shadow_stream_name or config.predictions_stream_name
    models = _aliased(config, services.s3, config.shadow_alias, "shadow", Unwatched())
    sink = _sink(config, services.kinesis, stream_name)
    return Shadow(models, sink, reserved_seconds=config.reserved_seconds)


def _sink(config: Settings, kinesis: Streams, stream_name: str) -> PredictionSink:
    return PredictionSink(
        kinesis,
        stream_name,
        reserved_seconds=config.reserved_seconds,
        aggregate=config.output_aggregation == "kpl",
    )


def _directory(location: str, s3: Objects) -> ModelFiles:
    scheme, separator, place = location.partition("://")
    if separator and scheme == "s3":
        bucket, _, prefix = place.partition("/")
        return S3Directory(s3, bucket, prefix)
    if (separator and scheme != "file") or location.startswith(("runs:", "models:")):
        raise SettingsError(
            f"MODEL_LOCATION={location} is neither a folder nor an address in S3: name a model "
            "directory as s3://bucket/path"
        )
    return Directory(Path(place if separator else location))
