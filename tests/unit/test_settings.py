import pytest

from ride_scoring import settings
from ride_scoring.errors import SettingsError

BUCKETS = {"MODEL_BUCKET": "models", "REJECTS_BUCKET": "rejects"}


def test_what_is_not_set_has_the_names_of_the_contract() -> None:
    read = settings.read(BUCKETS)
    assert read.predictions_stream_name == "ride_predictions"
    assert (read.model_name, read.model_alias) == ("ride-duration", "champion")


def test_an_empty_variable_counts_as_unset() -> None:
    assert settings.read({**BUCKETS, "MODEL_ALIAS": ""}).model_alias == "champion"


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(SettingsError, match="REJECTS_BUCKET") as caught:
        settings.read({"MODEL_BUCKET": "models"})
    assert "MODEL_BUCKET," not in str(caught.value)
