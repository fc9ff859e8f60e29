"""The handler as Lambda calls it, wired from the environment, against moto's S3 and Kinesis."""

import base64
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import msgspec
import numpy as np
import pytest
import skops.io
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from ride_scoring import aws as own_aws
from ride_scoring import handler
from ride_scoring.errors import ModelRefused, NotAKinesisEvent
from ride_scoring.streams import kpl
from tests.contract.conftest import moto_settings
from tests.factories import ARRIVED_AT, event_json, kinesis_event, shared
from tests.models import always_fails, compiled_directory, mlmodel, skops_flavor
from tests.store import Publisher

CONTEXT: Any = SimpleNamespace(
    aws_request_id="id-1", function_version="7", get_remaining_time_in_millis=lambda: 60_000
)
COURSE_SEQUENCE_NUMBER = "49630081666084879290581185630324770398608704880802529282"


def little_time() -> Any:
    """A context whose time runs out, so that what cannot be written is given back."""
    ends_at = time.monotonic() + 8

    def left() -> int:
        return int((ends_at - time.monotonic()) * 1000)

    return SimpleNamespace(
        aws_request_id="id-2", function_version="7", get_remaining_time_in_millis=left
    )


class World:
    """The function's surroundings: what is published, what came out, what was said."""

    def __init__(
        self,
        session: boto3.Session,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self._session = session
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.store = Publisher(own_aws.connect(moto_settings()).s3)

    def configure(self, **settings: str) -> None:
        """What the function is told besides; it starts anew."""
        for name, value in settings.items():
            self._monkeypatch.setenv(name, value)
        handler._wired.cache_clear()

    def score(self, *data: bytes) -> Mapping[str, Any]:
        return handler.handler(kinesis_event(*data), CONTEXT)

    def predictions(self) -> list[dict[str, Any]]:
        """All that lies in the predictions stream."""
        kinesis = self._session.client("kinesis")
        found = []
        for shard in kinesis.list_shards(StreamName="ride-predictions")["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName="ride-predictions",
                ShardId=shard["ShardId"],
                ShardIteratorType="TRIM_HORIZON",
            )["ShardIterator"]
            for record in kinesis.get_records(ShardIterator=iterator)["Records"]:
                data = record["Data"]
                users = kpl.user_records(data) if kpl.is_aggregated(data) else None
                found += [user.data for user in users] if users else [data]
        return [json.loads(data) for data in found]

    def rejects(self) -> list[dict[str, Any]]:
        s3 = self._session.client("s3")
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket="rejects").get("Contents", [])]
        bodies = [s3.get_object(Bucket="rejects", Key=key)["Body"].read() for key in keys]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    def said(self) -> list[dict[str, Any]]:
        """The lines of the log since the last call."""
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines() if line]


def metrics(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The metrics of a batch, by name."""
    found: dict[str, Any] = {}
    for line in lines:
        if "_aws" in line:
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            assert directive["Namespace"] == "RideScoring"
            for metric in directive["Metrics"]:
                dimensions = [
                    line[name] for name in directive["Dimensions"][0] if name != "service"
                ]
                values = line[metric["Name"]]
                value = sum(values) if isinstance(values, list) else values
                found[".".join([metric["Name"], *dimensions])] = value
    return found


@pytest.fixture
def world(
    aws: boto3.Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[World]:
    world = World(aws, monkeypatch, capsys)
    world.configure(
        MODEL_BUCKET="models",
        REJECTS_BUCKET="rejects",
        PREDICTIONS_STREAM_NAME="ride-predictions",
        MODEL_REFRESH_SECONDS="0",
    )
    yield world
    handler._wired.cache_clear()
    # Powertools' handler writes to what was standard output in this test.
    logger = logging.getLogger("ride_scoring")
    logger.handlers.clear()
    for mark in ("init", "powertools_handler"):
        vars(logger).pop(mark, None)


def versions(world: World) -> list[tuple[str, str]]:
    return sorted((item["version"], item["role"]) for item in world.predictions())


# What comes of a batch


def test_metrics_tell_deployments_and_versions_of_the_function_apart(world: World) -> None:
    world.configure(POWERTOOLS_SERVICE_NAME="ride-eu")
    world.store.publish("1", 2.0)
    world.score(event_json(), b"{")
    lines = world.said()
    (batch,) = [line for line in lines if line.get("function_version")]
    (directive,) = batch["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["service"], ["service", "function_version"]]
    assert batch["function_version"] == CONTEXT.function_version
    assert {line["service"] for line in lines} == {"ride-eu"}


def test_without_a_model_the_handler_reports_the_batch_and_says_so(world: World) -> None:
    event = json.loads(shared("kinesis/zoomcamp__event.json").read_bytes())
    answer = handler.handler(event, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": COURSE_SEQUENCE_NUMBER}]}
    lines = world.said()
    (said,) = [line for line in lines if line.get("message") == "batch not done"]
    assert "no model is published" in said["failure"]
    assert metrics(lines)["BatchesNotDone"] == 1


def test_a_batch_is_one_line_and_one_set_of_metrics(world: World) -> None:
    world.store.publish("1", 2.0)
    world.score(event_json(), event_json())
    world.said()
    packed = kpl.pack([(str(n), event_json(ride_id=n)) for n in range(5)], "1")
    answer = world.score(event_json(), b"no json", event_json(PULocationID=0), packed)
    assert answer == {"batchItemFailures": []}
    lines = world.said()
    (said,) = [line for line in lines if "_aws" not in line]
    assert said["message"] == "batch scored"
    assert said["function_request_id"] == "id-1"
    assert said["shard"] == "shardId-000000000000"
    assert (said["first_sequence_number"], said["last_sequence_number"]) == ("1", "4")
    assert (said["model_version"], said["records"], said["predicted"]) == ("1", 4, 6)
    assert said["rejected"] == {"not_json": 1, "out_of_range": 1}
    counted = metrics(lines)
    assert counted["Records"] == 4
    assert counted["Events"] == 8
    assert counted["Predictions"] == 6
    assert counted["Rejects"] == 2
    assert counted["RejectsByReason.not_json"] == 1
    assert counted["RejectsByReason.out_of_range"] == 1
    assert (counted["Retries"], counted["Throttles"], counted["ColdStarts"]) == (0, 0, 0)
    assert counted["BatchTime"] > 0
    waited = (time.time() - ARRIVED_AT) * 1000
    assert counted["ArrivalToScoredP50"] == pytest.approx(waited, abs=60_000)
    assert counted["ArrivalToScoredMax"] >= counted["ArrivalToScoredP50"]


def test_the_first_batch_says_how_the_model_was_loaded(world: World) -> None:
    world.store.publish("1", 2.0)
    world.score(event_json())
    counted = metrics(world.said())
    assert counted["ColdStarts"] == 1
    assert counted["ModelLoadTime.compiled"] > 0
    assert counted["Swaps"] == 0


def test_no_payload_reaches_the_log(world: World) -> None:
    world.store.publish("1", 2.0)
    data = event_json(ride_id="very-private")
    packed = kpl.pack([("very-private", data)], "1")
    world.score(
        data, packed, b'{"very-private"', event_json(ride_id="very-private" * 30), packed[:-1]
    )
    said = json.dumps(world.said())
    assert "batch scored" in said
    for secret in (b"very-private", base64.b64encode(data), base64.b64encode(packed)):
        assert secret.decode() not in said
    assert len(world.rejects()) == 3


@pytest.mark.parametrize(
    "name",
    [
        "aws-lambda-go__kinesis-event.json",
        "aws-lambda-go__kinesis-time-window-event.json",
        "powertools__kinesisStreamEvent.json",
        "powertools__kinesisStreamEventOneRecord.json",
        "powertools__kinesisStreamCloudWatchLogsEvent.json",
        "SampleLambdaEvent.json",
    ],
)
def test_what_others_send_is_rejects_and_fails_no_batch(world: World, name: str) -> None:
    world.store.publish("1", 2.0)
    event = json.loads(shared(f"kinesis/{name}").read_bytes())
    state = {"state": event["state"]} if "state" in event else {}
    assert handler.handler(event, CONTEXT) == {"batchItemFailures": []} | state
    assert len(world.rejects()) >= len(event["Records"])
    assert world.predictions() == []


def test_an_event_without_records_is_done(world: World) -> None:
    world.store.publish("1", 2.0)
    assert handler.handler({"Records": []}, CONTEXT) == {"batchItemFailures": []}


def test_a_mapping_with_tumbling_windows_gets_its_state_back(world: World) -> None:
    world.store.publish("1", 3.0)
    window = {"start": "2023-01-14T13:30:00Z", "end": "2023-01-14T13:32:00Z"}
    event = kinesis_event(event_json()) | {"window": window, "state": {"rides": "7"}}
    answer = {"batchItemFailures": [], "state": {"rides": "7"}}
    assert handler.handler(event, CONTEXT) == answer
    final: dict[str, Any] = {"window": window, "isFinalInvokeForWindow": True}
    assert handler.handler(final, CONTEXT) == {"batchItemFailures": [], "state": {}}


@pytest.mark.parametrize("test_run", ["False", "True"])
@pytest.mark.parametrize("event", [{}, json.loads(event_json()), {"Records": [{"body": "sqs"}]}])
def test_an_event_of_something_else_is_said_in_one_sentence(
    world: World, event: Any, test_run: str
) -> None:
    world.configure(TEST_RUN=test_run)
    world.store.publish("1", 2.0)
    with pytest.raises(NotAKinesisEvent, match="not an event of a Kinesis event source mapping"):
        handler.handler(event, CONTEXT)
    assert "batch scored" not in json.dumps(world.said())


def test_events_that_share_a_sequence_number_keep_an_identity_of_their_own(world: World) -> None:
    """As Lambda may give them that it has taken out of one aggregate."""
    world.store.publish("1", 2.0)
    event = kinesis_event(*[event_json(ride_id=number) for number in range(3)], b"{")
    for record in event["Records"]:
        record["eventID"] = "shardId-000000000000:7"
        record["kinesis"]["sequenceNumber"] = "7"
    assert handler.handler(event, CONTEXT) == {"batchItemFailures": []}
    said = [item["event_id"] for item in (*world.predictions(), *world.rejects())]
    assert len(set(said)) == 4
    assert all(event_id.startswith("shardId-000000000000:7:") for event_id in said)


def test_lines_of_the_log_carry_a_time_that_lambda_takes(world: World) -> None:
    world.score(event_json())
    (line,) = [line for line in world.said() if line.get("message") == "batch not done"]
    assert line["level"] == "ERROR"
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", line["timestamp"]
    )


@pytest.mark.parametrize("data", [None, "", "!!!!a", 7])
def test_a_record_with_no_data_or_no_base64_is_a_reject(world: World, data: object) -> None:
    world.store.publish("1", 2.0)
    event = kinesis_event(event_json(), event_json())
    event["Records"][0]["kinesis"]["data"] = data
    assert handler.handler(event, CONTEXT) == {"batchItemFailures": []}
    expected = "not_base64" if data in {"!!!!a", 7} else "not_json"
    assert [reject["reason"] for reject in world.rejects()] == [expected]
    assert len(world.predictions()) == 1


BAD = {
    "noise": (np.random.default_rng(1).bytes(1024 * 1024), "not_utf8", ""),
    "NaN": (event_json(trip_distance=float("nan")), "not_json", ""),
    "Infinity": (event_json(trip_distance=float("inf")), "not_json", ""),
    "a number as text": (event_json(trip_distance="3.66"), "schema", "`str` - at `$.ride.trip"),
    "zone 0": (event_json(PULocationID=0), "out_of_range", "PULocationID is 0"),
    "zone 266": (event_json(DOLocationID=266), "out_of_range", "DOLocationID is 266"),
    "an id that is an object": (
        event_json(ride_id={"a": 1}),
        "schema",
        "`object` - at `$.ride_id`",
    ),
    "260,000 miles": (event_json(trip_distance=260_000), "out_of_range", "trip_distance is 260000"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_a_reject_that_says_why(world: World, kind: str) -> None:
    data, reason, detail = BAD[kind]
    world.store.publish("1", 2.0)
    assert world.score(event_json(ride_id=1), data, event_json(ride_id=2)) == {
        "batchItemFailures": []
    }
    (rejected,) = world.rejects()
    assert rejected["reason"] == reason
    assert detail in rejected["detail"]
    assert base64.b64decode(rejected["data_base64"]) == data
    assert sorted(item["prediction"]["ride_id"] for item in world.predictions()) == [1, 2]


LARGEST = 4_400_000
"""Bytes of the largest record that an event of 6 MiB carries in base64, about: a stream that is set
to take large records holds such."""


def test_a_record_as_large_as_an_event_carries_is_scored_or_rejected_like_any_other(
    world: World,
) -> None:
    world.store.publish("1", 2.0)
    padded = b'{"padding": "' + b"x" * LARGEST + b'", ' + event_json(ride_id="padded")[1:]
    noise = np.random.default_rng(1).bytes(LARGEST)
    packed = kpl.pack(
        [(f"{n}", event_json(ride_id=n)[:-1] + b" " * 44_000 + b"}") for n in range(100)], "0"
    )
    for data in (padded, noise, packed):
        assert LARGEST <= len(data) < 1.02 * LARGEST
        assert world.score(data) == {"batchItemFailures": []}
    ids = [item["prediction"]["ride_id"] for item in world.predictions()]
    assert sorted(map(str, ids)) == sorted([*map(str, range(100)), "padded"])
    (rejected,) = world.rejects()
    assert base64.b64decode(rejected["data_base64"]) == noise


def test_a_stream_that_is_not_there_gives_the_batch_back(world: World) -> None:
    world.configure(PREDICTIONS_STREAM_NAME="nowhere")
    world.store.publish("1", 2.0)
    answer = world.score(event_json(), event_json())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert "ResourceNotFoundException" in json.dumps(world.said())


def test_predictions_can_go_out_aggregated(world: World) -> None:
    world.configure(OUTPUT_AGGREGATION="kpl")
    world.store.publish("1", 2.0)
    world.score(*[event_json(ride_id=number) for number in range(300)])
    ids = [item["prediction"]["ride_id"] for item in world.predictions()]
    assert sorted(ids) == list(range(300))


# Models that move


def test_a_model_is_swapped_refused_and_rolled_back_between_batches(world: World) -> None:
    def lies(manifest: dict[str, Any]) -> None:
        manifest["golden_rows"][0]["ride_duration"] += 1

    world.store.publish("1", 2.0)
    world.score(event_json())
    world.store.publish("2", 3.0)
    world.said()
    world.score(event_json())
    assert metrics(world.said())["Swaps"] == 1
    world.store.publish("3", 4.0, change=lies)
    world.score(event_json())
    lines = world.said()
    assert metrics(lines)["RefusedModels"] == 1
    assert any("still serving version 2" in line.get("message", "") for line in lines)
    world.score(event_json())
    assert "RefusedModels" not in metrics(world.said())
    world.store.point("champion", "1")
    world.score(event_json())
    assert [version for version, _ in versions(world)] == ["1", "1", "2", "2", "2"]


def shadowed(world: World, count: int = 2) -> dict[str, Any]:
    """Scores batches until one has not waited for its shadow in vain; its metrics and its line. How
    long the shadow's process takes to start is the machine's affair."""
    for _ in range(60):
        assert world.score(*[event_json()] * count) == {"batchItemFailures": []}
        lines = world.said()
        (line,) = [line for line in lines if line.get("message") == "batch scored"]
        if line.get("shadow_failure") not in NOT_YET:
            return metrics(lines) | line
    raise AssertionError(f"no shadow has answered: {line}")


NOT_YET = {
    "it is still starting",
    "it is still busy with an earlier batch",
    "it took too long",
}


def test_a_shadow_writes_beside_the_champion(world: World) -> None:
    world.configure(SHADOW_ALIAS="challenger")
    world.store.publish("1", 2.0)
    world.store.publish("2", 3.0, alias="challenger")
    said = shadowed(world)
    assert (said["Predictions"], said["ShadowPredictions"], said["ShadowFailures"]) == (2, 2, 0)
    found = [item for item in world.predictions() if item["role"] == "shadow"]
    assert {item["version"] for item in found} == {"2"}
    assert {round(item["prediction"]["ride_duration"], 9) for item in found} == {10.98}
    assert ("1", "champion") in versions(world)


def test_a_shadow_can_write_to_a_stream_of_its_own(world: World) -> None:
    world.configure(SHADOW_ALIAS="challenger", SHADOW_STREAM_NAME="ride-events")
    world.store.publish("1", 2.0)
    world.store.publish("2", 3.0, alias="challenger")
    assert shadowed(world)["ShadowPredictions"] == 2
    assert set(versions(world)) == {("1", "champion")}


def test_a_shadow_follows_its_alias(world: World) -> None:
    world.configure(SHADOW_ALIAS="challenger")
    world.store.publish("1", 2.0)
    world.store.publish("2", 3.0, alias="challenger")
    shadowed(world)
    world.store.publish("3", 4.0, alias="challenger")
    shadowed(world)
    assert ("3", "shadow") in versions(world)


def test_a_shadow_that_raises_never_touches_the_champions_answer(world: World) -> None:
    world.configure(SHADOW_ALIAS="challenger")
    world.store.publish("1", 2.0)
    world.store.publish("2", 9.0, alias="challenger", files=always_fails())
    said = shadowed(world)
    assert set(versions(world)) == {("1", "champion")}
    assert said["ShadowFailures"] == 1
    assert "it failed with" in said["shadow_failure"]


def test_a_shadow_that_is_not_published_never_touches_the_champions_answer(world: World) -> None:
    world.configure(SHADOW_ALIAS="challenger")
    world.store.publish("1", 2.0)
    assert "no model is published" in shadowed(world)["shadow_failure"]


def test_a_champion_that_raises_for_every_ride_gives_rejects_and_no_loop(world: World) -> None:
    world.store.publish("1", 9.0, files=always_fails())
    assert world.score(event_json(), event_json()) == {"batchItemFailures": []}
    assert [reject["reason"] for reject in world.rejects()] == ["model_output"] * 2


# The course's way


@pytest.fixture
def course_model(aws: boto3.Session) -> str:
    """A model as the course's deployment has it: under its run, with no signature."""
    dicts: list[dict[str, object]] = [
        {"PU_DO": "130_205", "trip_distance": 3.66},
        {"PU_DO": "1_1", "trip_distance": 2.0},
    ]
    estimator = make_pipeline(DictVectorizer(), LinearRegression()).fit(dicts, [18.2, 3.0])
    files = {
        "MLmodel": mlmodel(None, skops_flavor()),
        "model.skops": skops.io.dumps(estimator),
    }
    for name, body in files.items():
        key = f"7/e1efc53e/artifacts/model/{name}"
        aws.client("s3").put_object(Bucket="models", Key=key, Body=body)
    return "e1efc53e"


def test_the_courses_deployment_and_its_check_work_as_they_are(
    world: World, course_model: str
) -> None:
    world.configure(
        RUN_ID=course_model, MLFLOW_EXPERIMENT_ID="7", TEST_RUN="True", REJECTS_BUCKET=""
    )
    event = json.loads(shared("kinesis/zoomcamp__event.json").read_bytes())
    answer = msgspec.to_builtins(handler.handler(event, CONTEXT))
    (prediction,) = answer["predictions"]
    assert prediction["prediction"].pop("ride_duration") == pytest.approx(18.2)
    assert answer == {
        "predictions": [
            {
                "model": "ride_duration_prediction_model",
                "version": "e1efc53e",
                "prediction": {"ride_id": 256},
            }
        ]
    }
    assert (world.predictions(), world.rejects()) == ([], [])


def test_a_test_run_says_what_it_would_reject(world: World) -> None:
    world.store.publish("1", 2.0)
    world.configure(TEST_RUN="true")
    answer = world.score(event_json(), b"no json")
    assert len(answer["predictions"]) == 1
    (rejected,) = answer["rejects"]
    assert (rejected["event_id"], rejected["reason"]) == ("shardId-000000000000:2", "not_json")
    assert (world.predictions(), world.rejects()) == ([], [])


def test_kinesis_alone_goes_to_the_courses_endpoint(world: World, course_model: str) -> None:
    world.configure(
        RUN_ID=course_model, MLFLOW_EXPERIMENT_ID="7", KINESIS_ENDPOINT_URL="http://127.0.0.1:9"
    )
    answer = handler.handler(kinesis_event(event_json()), little_time())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_a_location_in_s3_that_holds_no_model_is_said(world: World) -> None:
    world.configure(MODEL_LOCATION="s3://models/nowhere", TEST_RUN="True")
    with pytest.raises(ModelRefused, match=r"s3://models/nowhere: .* no MLmodel file"):
        world.score(event_json())


def test_a_location_on_disk_pins_a_model(world: World, tmp_path: Path) -> None:
    for name, body in compiled_directory(2.0).items():
        (tmp_path / name).write_bytes(body)
    world.configure(MODEL_LOCATION=str(tmp_path), RUN_ID="pinned-7", MODEL_NAME="mine")
    assert world.score(event_json()) == {"batchItemFailures": []}
    (prediction,) = world.predictions()
    assert (prediction["model"], prediction["version"]) == ("mine", "pinned-7")


# Tracing


def test_a_batch_is_traced_where_tracing_is_on_and_nothing_is_imported_where_it_is_off(
    world: World,
) -> None:
    world.store.publish("1", 2.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(300)
        host, port = daemon.getsockname()
        assert score_in_a_process() == "False"
        assert (
            score_in_a_process(TRACING="true", AWS_XRAY_DAEMON_ADDRESS=f"{host}:{port}") == "True"
        )
        traced = daemon.recv(65_536).splitlines()[-1]
    assert json.loads(traced)["name"] == "## batch"


def score_in_a_process(**settings: str) -> str:
    """Whether X-Ray's library was imported to score a batch, as Lambda runs the function."""
    code = (
        "import json, sys, types\n"
        "from ride_scoring import handler\n"
        "context = types.SimpleNamespace(\n"
        "    aws_request_id='1', function_version='1',\n"
        "    get_remaining_time_in_millis=lambda: 60_000)\n"
        "handler.handler(json.loads(sys.argv[1]), context)\n"
        "print('aws_xray_sdk' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(kinesis_event(event_json()))],
        env={
            **os.environ,
            "LAMBDA_TASK_ROOT": "/var/task",
            "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;"
            "Parent=53995c3f42cd8ad8;Sampled=1",
            **settings,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]
