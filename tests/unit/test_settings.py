from pathlib import Path

import pytest

from ride_scoring import settings, wiring
from ride_scoring.errors import SettingsError
from ride_scoring.models.files import Directory, S3Directory
from tests.factories import MemoryS3

STORE = {"MODEL_BUCKET": "models", "REJECTS_BUCKET": "rejects"}


def test_what_is_not_set_has_the_value_of_the_contract() -> None:
    read = settings.read(STORE)
    assert read.predictions_stream_name == "ride_predictions"
    assert (read.stored_name, read.model_alias) == ("ride-duration", "champion")
    assert read.pinned_location is None
    assert not read.test_run
    assert not read.mlflow_allow_pickle_deserialization


def test_empty_counts_as_unset() -> None:
    read = settings.read({**STORE, "SHADOW_ALIAS": "", "PREDICTIONS_STREAM_NAME": " "})
    assert read.shadow_alias is None
    assert read.predictions_stream_name == "ride_predictions"


def test_the_courses_variables_mean_what_they_mean_there() -> None:
    read = settings.read({"MODEL_BUCKET": "b", "RUN_ID": "e1efc53e", "TEST_RUN": "True"})
    assert read.pinned_location == "s3://b/1/e1efc53e/artifacts/model"
    assert read.pinned_name == "ride_duration_prediction_model"
    assert read.test_run
    other = settings.read({"MODEL_BUCKET": "b", "RUN_ID": "r", "MLFLOW_EXPERIMENT_ID": "7"})
    assert other.pinned_location == "s3://b/7/r/artifacts/model"
    assert other.rejects_go_to == "b"
    assert not other.test_run


def test_a_location_pins_a_model_whatever_the_run() -> None:
    read = settings.read(
        {**STORE, "MODEL_LOCATION": "s3://a/model", "RUN_ID": "r", "MODEL_NAME": "mine"}
    )
    assert (read.pinned_location, read.pinned_name) == ("s3://a/model", "mine")


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({}, "set MODEL_BUCKET, as Terraform does, or MODEL_LOCATION"),
        ({"MODEL_LOCATION": "/model"}, "set REJECTS_BUCKET"),
        ({"MODEL_LOCATION": "/model", "SHADOW_ALIAS": "s"}, "SHADOW_ALIAS requires MODEL_BUCKET"),
        ({**STORE, "MODEL_REFRESH_SECONDS": "soon"}, "MODEL_REFRESH_SECONDS='soon' cannot be read"),
        ({**STORE, "MODEL_REFRESH_SECONDS": "-1"}, "MODEL_REFRESH_SECONDS='-1' cannot be read"),
        ({**STORE, "RESERVED_SECONDS": "nan"}, "RESERVED_SECONDS='nan' cannot be read"),
        ({**STORE, "OUTPUT_AGGREGATION": "zip"}, "OUTPUT_AGGREGATION='zip' cannot be read"),
        ({**STORE, "TEST_RUN": "perhaps"}, "TEST_RUN='perhaps' cannot be read"),
    ],
)
def test_what_is_missing_or_cannot_be_read_is_named(
    environment: dict[str, str], complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint):
        settings.read(environment)


def test_a_location_is_a_folder_or_an_address_in_s3(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("x")
    for location in (str(tmp_path), f"file://{tmp_path}"):
        files = wiring._directory(location, MemoryS3())
        assert isinstance(files, Directory)
        assert files.find("MLmodel") == b"x"
    for location in ("runs:/7/model", "models:/m/1", "https://bucket/model"):
        with pytest.raises(SettingsError, match="neither a folder nor an address in S3"):
            wiring._directory(location, MemoryS3())
    s3 = MemoryS3()
    s3.put("bucket", "MLmodel", b"at the top", "")
    s3.put("bucket", "run#1/model/MLmodel", b"below", "")
    assert wiring._directory("s3://bucket", s3).find("MLmodel") == b"at the top"
    assert wiring._directory("s3://bucket/run#1/model", s3).find("MLmodel") == b"below"
    in_s3 = wiring._directory("s3://bucket/a/model/", MemoryS3())
    assert isinstance(in_s3, S3Directory)
    assert in_s3.mlflow_location() == "s3://bucket/a/model"
