"""The function by AWS's own runtime client, in environments that are made ahead of their first
batch: its model is there when the batch comes, and whatever goes wrong before hurts no more than it
would at the first batch."""

import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest

from infra import emulator
from infra.common.paths import ROOT
from localstack_processes.runtime_api import Invocation
from localstack_processes.runtime_process import Outcome, RuntimeProcess
from ride_scoring import aws as own_aws
from tests.contract.conftest import moto_settings
from tests.factories import event_json, kinesis_event
from tests.store import Publisher

AHEAD = ("provisioned-concurrency", "snap-start")
SERVES = "version 1 serves as champion"


@pytest.fixture
def publisher(aws: boto3.Session) -> Publisher:
    assert aws.region_name
    return Publisher(own_aws.connect(moto_settings()).s3)


Start = Callable[..., RuntimeProcess]


@pytest.fixture
def start(moto_endpoint: str) -> Iterator[Start]:
    """Starts an environment, and waits until it asks for its first batch."""
    started: list[RuntimeProcess] = []

    def made(kind: str, **settings: str) -> RuntimeProcess:
        environment: Mapping[str, str] = {
            "PATH": os.environ["PATH"],
            **emulator.TEST_ACCOUNT,
            "AWS_ENDPOINT_URL": moto_endpoint,
            "AWS_LAMBDA_INITIALIZATION_TYPE": kind,
            "AWS_LAMBDA_FUNCTION_VERSION": "7",
            "MODEL_BUCKET": "models",
            "REJECTS_BUCKET": "rejects",
            "PREDICTIONS_STREAM_NAME": "ride-predictions",
            "MODEL_REFRESH_SECONDS": "3600",
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        command = [sys.executable, "-m", "awslambdaric", "ride_scoring.handler.handler"]
        process = RuntimeProcess(command, environment, ROOT)
        started.append(process)
        process.await_ready(60.0)
        return process

    yield made
    for process in started:
        process.stop()


def invoke(process: RuntimeProcess, *data: bytes) -> Outcome:
    deadline_ms = int((time.time() + 60) * 1000)
    payload = json.dumps(kinesis_event(*data)).encode()
    return process.invoke(Invocation(str(uuid.uuid4()), "arn", "", deadline_ms, payload), 60.0)


def answer(outcome: Outcome) -> Any:
    assert not outcome.is_error, outcome.payload
    return json.loads(outcome.payload)


def metrics(log: str) -> dict[str, Any]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith('{"')]
    return {name: value for line in lines if "_aws" in line for name, value in line.items()}


@pytest.mark.parametrize("kind", AHEAD)
def test_the_model_is_there_before_the_first_batch(
    publisher: Publisher, start: Start, kind: str
) -> None:
    publisher.publish("1", 2.0)
    process = start(kind)
    assert SERVES in process.take_log()
    assert answer(invoke(process, event_json())) == {"batchItemFailures": []}
    said = process.take_log()
    assert SERVES not in said
    assert (metrics(said)["Predictions"], metrics(said)["ColdStarts"]) == ([1.0], [1.0])


@pytest.mark.parametrize("kind", ["on-demand", ""])
def test_where_nothing_is_made_ahead_the_first_batch_loads_it(
    publisher: Publisher, start: Start, kind: str
) -> None:
    publisher.publish("1", 2.0)
    process = start(kind)
    assert SERVES not in process.take_log()
    answer(invoke(process, event_json()))
    assert SERVES in process.take_log()


def test_what_is_restored_looks_at_the_alias_anew(publisher: Publisher, start: Start) -> None:
    """A snapshot may be weeks old. Here it is restored at once, and the pointer is read all the
    same, though it was read a moment ago and an hour may pass between two looks."""
    publisher.publish("1", 2.0)
    process = start("snap-start")
    publisher.publish("2", 3.0)
    answer(invoke(process, event_json()))
    assert "version 2 serves as champion" in process.take_log()


def test_what_is_kept_warm_looks_as_often_as_it_is_told(publisher: Publisher, start: Start) -> None:
    publisher.publish("1", 2.0)
    process = start("provisioned-concurrency")
    publisher.publish("2", 3.0)
    answer(invoke(process, event_json()))
    assert "version 2" not in process.take_log()


@pytest.mark.few(3)
@pytest.mark.parametrize("kind", AHEAD)
@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "no model is published"),
        ({"MODEL_ALIAS": "nobody"}, "no model is published"),
        ({"MODEL_BUCKET": "nowhere"}, "no model is published"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "cannot be read"),
    ],
)
def test_without_a_model_it_starts_and_gives_its_batches_back(
    aws: boto3.Session, start: Start, kind: str, settings: dict[str, str], why: str
) -> None:
    assert aws.region_name
    process = start(kind, **settings)
    said = process.take_log()
    assert "no model yet; the first batch will look for one" in said
    assert why in said
    given_back = {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert answer(invoke(process, event_json())) == given_back
    assert why in process.take_log()


@pytest.mark.parametrize("kind", AHEAD)
def test_a_model_that_is_published_later_is_found(
    publisher: Publisher, start: Start, kind: str
) -> None:
    process = start(kind)
    publisher.publish("1", 2.0)
    assert answer(invoke(process, event_json())) == {"batchItemFailures": []}
    assert SERVES in process.take_log()


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", AHEAD)
def test_a_model_that_is_refused_is_refused_at_the_first_batch_too(
    publisher: Publisher, start: Start, kind: str
) -> None:
    publisher.publish("1", 2.0, change=lambda manifest: manifest.update(name="another"))
    process = start(kind)
    assert "refused the model" in process.take_log()
    assert answer(invoke(process, event_json()))["batchItemFailures"]
    assert metrics(process.take_log())["RefusedModels"] == [1.0]


@pytest.mark.parametrize("kind", AHEAD)
def test_settings_that_cannot_be_read_fail_the_batch_and_not_the_start(
    aws: boto3.Session, start: Start, kind: str
) -> None:
    assert aws.region_name
    process = start(kind, MODEL_REFRESH_SECONDS="often")
    outcome = invoke(process, event_json())
    assert outcome.is_error
    assert json.loads(outcome.payload)["errorType"] == "SettingsError"
