"""The environment in, typed settings out."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from ride_scoring.domain import MODEL_NAME, PINNED_MODEL_NAME, PREDICTIONS_STREAM_NAME
from ride_scoring.errors import SettingsError

Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class Settings(msgspec.Struct, frozen=True):
    """What the function is told by its environment: MODEL_BUCKET and so on, in upper case.

    The model is the one that MODEL_ALIAS names in the store in MODEL_BUCKET, unless MODEL_LOCATION
    or RUN_ID pins one.
    """

    model_bucket: str | None = None
    model_name: str | None = None
    model_alias: str = "champion"
    model_refresh_seconds: Seconds = 30.0
    model_location: str | None = None
    run_id: str | None = None
    mlflow_experiment_id: str = "1"
    mlflow_allow_pickle_deserialization: bool = False
    shadow_alias: str | None = None
    shadow_stream_name: str | None = None
    predictions_stream_name: str = PREDICTIONS_STREAM_NAME
    output_aggregation: Literal["none", "kpl"] = "none"
    rejects_bucket: str | None = None
    reserved_seconds: Seconds = 2.0
    test_run: bool = False
    tracing: bool = False
    powertools_service_name: str = "ride_scoring"

    @property
    def pinned_location(self) -> str | None:
        """Where the model directory of a pinned model lies, if one is pinned."""
        if self.model_location or not self.run_id:
            return self.model_location
        return f"s3://{self.model_bucket}/{self.mlflow_experiment_id}/{self.run_id}/artifacts/model"

    @property
    def pinned_name(self) -> str:
        """A pinned model's name in its predictions."""
        return self.model_name or PINNED_MODEL_NAME

    @property
    def stored_name(self) -> str:
        """The model's name in the store, and in predictions."""
        return self.model_name or MODEL_NAME

    @property
    def rejects_go_to(self) -> str:
        """The bucket of rejects: the model store's where there is no other."""
        return self.rejects_bucket or self.model_bucket or ""


def read(environment: Mapping[str, str]) -> Settings:
    """Reads the settings; empty counts as unset. Raises `SettingsError`."""
    values = {
        field.name: environment[field.name.upper()].strip()
        for field in msgspec.structs.fields(Settings)
        if environment.get(field.name.upper(), "").strip()
    }
    for name, value in values.items():
        _require_readable(name, value)
    settings = msgspec.convert(values, Settings, strict=False)
    if not settings.model_bucket and not settings.model_location:
        raise SettingsError("set MODEL_BUCKET, as Terraform does, or MODEL_LOCATION")
    if settings.shadow_alias and not settings.model_bucket:
        raise SettingsError(
            "SHADOW_ALIAS requires MODEL_BUCKET: shadow models are loaded from the store"
        )
    if not settings.rejects_go_to and not settings.test_run:
        raise SettingsError("set REJECTS_BUCKET, the bucket that rejected events are written to")
    return settings


def _require_readable(name: str, value: str) -> None:
    try:
        msgspec.convert({name: value}, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{name.upper()}={value!r:.40} cannot be read: {error}") from None
