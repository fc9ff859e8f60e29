"""Builds the function from its settings and services. Sends nothing."""

from pathlib import Path
from typing import NamedTuple

from ride_scoring.errors import SettingsError
from ride_scoring.function import FollowedModels, Function, ShadowScorer
from ride_scoring.identity import Role
from ride_scoring.models.files import Directory, ModelFiles, S3Directory
from ride_scoring.models.serving import AliasedModel, ModelWatch, PinnedModel, Unwatched
from ride_scoring.models.store import ModelStore
from ride_scoring.ports import CALL_SECONDS, Objects, Streams
from ride_scoring.scoring import Models, Predictions, Scorer
from ride_scoring.settings import Settings
from ride_scoring.shadow.scorer import Shadow
from ride_scoring.streams import kinesis_event
from ride_scoring.streams.rejects import RejectStore
from ride_scoring.streams.sink import PredictionSink
from ride_scoring.telemetry import Telemetry
from ride_scoring.timing import Timing


class Services(NamedTuple):
    """The services that the function calls: AWS, or a simulation of it."""

    s3: Objects
    kinesis: Streams


def wire(
    config: Settings,
    services: Services,
    telemetry: Telemetry,
    timing: Timing | None = None,
    *,
    shadow: ShadowScorer | None = None,
) -> Function:
    """The function of one execution environment. Raises `SettingsError`."""
    wiring = _Wiring(config, services, timing or Timing())
    models = wiring.models(telemetry)
    return Function(
        source=kinesis_event,
        models=models,
        scorer=wiring.scorer(models),
        shadow=shadow,
        telemetry=telemetry,
        now=wiring.timing.now,
        test_run=config.test_run,
    )


def wire_shadow(config: Settings, services: Services) -> Shadow:
    """The shadow scorer for `config.shadow_alias`, which runs in a process of its own."""
    wiring = _Wiring(config, services, Timing())
    models = wiring.aliased(config.shadow_alias or "", "shadow", Unwatched())
    return Shadow(models, wiring.sink(config.shadow_stream_name or config.predictions_stream_name))


class _Wiring(NamedTuple):
    config: Settings
    services: Services
    timing: Timing

    def models(self, watch: ModelWatch) -> FollowedModels:
        config = self.config
        if location := config.pinned_location:
            return PinnedModel(
                _directory(location, self.services.s3),
                location,
                config.pinned_name,
                config.run_id,
                watch,
                allow_pickle=config.mlflow_allow_pickle_deserialization,
            )
        return self.aliased(config.model_alias, "champion", watch)

    def scorer(self, models: Models) -> Scorer:
        return Scorer(
            models,
            self.sink(self.config.predictions_stream_name),
            RejectStore(self.services.s3, self.config.rejects_go_to),
            writing_seconds=self.config.reserved_seconds + CALL_SECONDS,
            now=self.timing.now,
        )

    def aliased(self, alias: str, role: Role, watch: ModelWatch) -> AliasedModel:
        config = self.config
        return AliasedModel(
            ModelStore(self.services.s3, config.model_bucket or "", config.stored_name),
            alias,
            role,
            config.model_refresh_seconds,
            watch,
            allow_pickle=config.mlflow_allow_pickle_deserialization,
            clock=self.timing.monotonic,
        )

    def sink(self, stream_name: str) -> Predictions:
        return PredictionSink(
            self.services.kinesis,
            stream_name,
            reserved_seconds=self.config.reserved_seconds,
            aggregate=self.config.output_aggregation == "kpl",
            sleep=self.timing.sleep,
            jitter=self.timing.jitter,
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
