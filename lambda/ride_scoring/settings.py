"""The environment in, typed settings out."""

from collections.abc import Mapping

import msgspec

from ride_scoring.errors import SettingsError


class Settings(msgspec.Struct, frozen=True):
    """What the function is told by its environment. Those without a value here must be set."""

    model_bucket: str
    rejects_bucket: str
    predictions_stream_name: str = "ride_predictions"
    model_name: str = "ride-duration"
    model_alias: str = "champion"


def read(environment: Mapping[str, str]) -> Settings:
    """Reads MODEL_BUCKET and so on; empty counts as unset. Raises `SettingsError`."""
    values = {
        field.name: environment[field.name.upper()]
        for field in msgspec.structs.fields(Settings)
        if environment.get(field.name.upper())
    }
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError:
        missing = [
            field.name.upper()
            for field in msgspec.structs.fields(Settings)
            if field.required and field.name not in values
        ]
        raise SettingsError(
            f"the environment lacks {', '.join(missing)}: terraform sets them on the function"
        ) from None
