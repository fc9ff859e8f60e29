"""`make invoke`: the function on AWS's own runtime client, with good events and bad ones."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.common.paths import ROOT
from tests.factories import event_json, kinesis_event
from tests.models import compiled_directory, write

ACCOUNT = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


def invoke(event: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra", "invoke", str(event)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def event(tmp_path: Path) -> Path:
    (path := tmp_path / "event.json").write_text(json.dumps(kinesis_event(event_json(), b"bad")))
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (directory := tmp_path / "model").mkdir()
    return write(compiled_directory(2.0), directory)


def test_a_test_run_prints_its_answer_alone(event: Path, model: Path) -> None:
    done = invoke(event, TEST_RUN="True", MODEL_LOCATION=str(model), RUN_ID="r7", **ACCOUNT)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    (prediction,) = answer["predictions"]
    assert prediction == {
        "model": "ride_duration_prediction_model",
        "version": "r7",
        "prediction": {"ride_duration": 7.32, "ride_id": 156},
    }
    assert [reject["reason"] for reject in answer["rejects"]] == ["not_json"]


@pytest.mark.few(3)
@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "does not exist: name a JSON file"),
        ("no json", "is not a Lambda event in JSON"),
        ('{"Records": NaN}', "is not a Lambda event in JSON: NaN is not JSON"),
        ('{"Records": [-Infinity]}', "is not a Lambda event in JSON: -Infinity is not JSON"),
        ("[" * 200_000, "is not a Lambda event in JSON: it is nested too deeply"),
        ("\ufeff{}", "is not a Lambda event in JSON"),
        ('{"Records": [{"body": "x"}]}', "not an event of a Kinesis event source mapping"),
    ],
)
def test_a_bad_event_is_one_sentence(
    tmp_path: Path, model: Path, content: str | None, complaint: str
) -> None:
    event = tmp_path / "bad.json"
    if content is not None:
        event.write_text(content)
    done = invoke(event, TEST_RUN="True", MODEL_LOCATION=str(model), **ACCOUNT)
    assert done.returncode == 1
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert complaint in sentence


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"MODEL_LOCATION": "/nowhere"}, "/nowhere: the model directory has no MLmodel file"),
        (
            {"MODEL_BUCKET": "models", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            "http://127.0.0.1:9 gave no complete response: ConnectionRefusedError",
        ),
    ],
)
def test_a_model_that_cannot_be_had_is_one_sentence(
    event: Path, settings: dict[str, str], complaint: str
) -> None:
    done = invoke(event, TEST_RUN="True", **settings, **ACCOUNT)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert complaint in sentence


def test_a_setting_that_is_missing_is_one_sentence(event: Path) -> None:
    done = invoke(event, **ACCOUNT)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the function failed: set MODEL_BUCKET, as Terraform does, or MODEL_LOCATION"
    ]
