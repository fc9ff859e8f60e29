"""What the function and the simulator say holds no key and no signature; the function's words hold
nothing of a payload either.

Keys are canaries, and logs as talkative as they can be made. A server on this machine refuses as
AWS does, and worse: it quotes all that it was asked.
"""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.common.paths import ROOT
from ride_scoring.aws import connect
from ride_scoring.models import compiled, store
from ride_scoring.streams import kpl
from tests import runs
from tests.aws_servers import Asked, Behaviour, Server, answer
from tests.contract.test_redrive import a_reject, set_aside
from tests.factories import event_json, kinesis_event
from tests.models import always_fails
from tests.store import Publisher

pytestmark = pytest.mark.thorough

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIACANARYCANARY2345",
    "AWS_SECRET_ACCESS_KEY": "canary/secret+key",
    "AWS_SESSION_TOKEN": "canary/session+token==",
}
SIGNED = re.compile(r"AWS4-HMAC-SHA256 |Signature\W{0,4}[0-9a-f]{64}", re.IGNORECASE)
PRIVATE = event_json(ride_id="very-private", trip_distance=12.34567891)
"""Its partition key is as private: the factory of Kinesis's events sees to that."""
PAYLOADS = (
    PRIVATE,
    kpl.pack([("very-private", PRIVATE)], "1"),
    b'{"very-private": "cut',
    b"very-private \xff",
    event_json(ride_id="very-private" * 30),
    event_json(ride_id="very-private", trip_distance="very-private miles"),
    kpl.pack([("very-private", PRIVATE)], "1")[:-1],
)
LONG = 600.0
"""Seconds that a process may take on a machine that is busy."""

SCORES = """
import json, logging, sys, time, traceback, types
logging.basicConfig(level=logging.DEBUG)
ends_at = time.monotonic() + 5
context = types.SimpleNamespace(
    aws_request_id="1",
    function_version="1",
    get_remaining_time_in_millis=lambda: int((ends_at - time.monotonic()) * 1000),
)
try:
    from ride_scoring import handler
    print(json.dumps(handler.handler(json.load(sys.stdin), context)))
except Exception:
    traceback.print_exc()
"""
"""The function as Lambda calls it, and all that Python has to say where it fails."""


def quoting(server: Server, status: int, code: str) -> Behaviour:
    """A refusal that quotes what was refused, in the format of the service that was asked."""

    def behave(connection: Any) -> bool:
        asked = server.asked[-1]
        shape = _json_refusal if "x-amz-target" in asked.headers else _xml_refusal
        return answer(status, shape(code, _quoted(asked)))(connection)

    return behave


def _quoted(asked: Asked) -> str:
    """On one line and then, as AWS does, on one for each header."""
    said = [f"{name}:{value}" for name, value in asked.headers.items()]
    body = asked.body.decode(errors="replace")
    return "\n".join([f"The signature does not match: {', '.join(said)}", *said, body])


def _json_refusal(code: str, quoted: str) -> bytes:
    return json.dumps({"__type": code, "message": quoted}).encode()


def _xml_refusal(code: str, quoted: str) -> bytes:
    escaped = quoted.replace("&", "&amp;").replace("<", "&lt;")
    return f"<Error><Code>{code}</Code><Message>{escaped}</Message></Error>".encode()


# The function


class Scene:
    """What the function is put into: moto's buckets and streams, and a server that quotes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.store = Publisher(connect(os.environ).s3)
        self.settings = KEYS | {
            "MODEL_BUCKET": "models",
            "REJECTS_BUCKET": "rejects",
            "PREDICTIONS_STREAM_NAME": "ride-predictions",
            "POWERTOOLS_LOG_LEVEL": "DEBUG",
        }

    def said(self) -> str:
        """All that a process says that scores the payloads: log, metrics, answer, errors."""
        event = json.dumps(kinesis_event(*PAYLOADS))
        return said_by(["-c", SCORES], self.settings, event)


def said_by(command: list[str], settings: Mapping[str, str], told: str = "") -> str:
    """What Python says when it runs that, with settings beside those of the environment; those that
    are empty are not set at all.
    """
    environment = {name: value for name, value in (os.environ | settings).items() if value}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        input=told,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    return done.stdout + done.stderr


def scores(scene: Scene) -> None:
    scene.store.publish("1", 2.0)


def has_no_model(_: Scene) -> None:
    """Nothing is published."""


def refuses_a_lie(scene: Scene) -> None:
    def lies(manifest: dict[str, Any]) -> None:
        manifest["golden_rows"][0]["ride_duration"] += 1

    scene.store.publish("1", 2.0, change=lies)


def refuses_damage(scene: Scene) -> None:
    scene.store.publish("1", 2.0)
    scene.store.put(store.file_key("ride-duration", "1", compiled.FILE), b"damaged")


def fails_on_each_ride(scene: Scene) -> None:
    scene.store.publish("1", 9.0, files=always_fails())


def has_a_shadow_that_fails(scene: Scene) -> None:
    scores(scene)
    scene.store.publish("2", 9.0, alias="challenger", files=always_fails())
    scene.settings["SHADOW_ALIAS"] = "challenger"


def writes_nowhere(scene: Scene) -> None:
    scores(scene)
    scene.settings["PREDICTIONS_STREAM_NAME"] = "nowhere"


def kinesis_answers(status: int, code: str) -> Callable[[Scene], None]:
    def arrange(scene: Scene) -> None:
        scores(scene)
        scene.server.will(quoting(scene.server, status, code))
        scene.settings["KINESIS_ENDPOINT_URL"] = scene.server.url

    return arrange


def s3_answers(status: int, code: str) -> Callable[[Scene], None]:
    def arrange(scene: Scene) -> None:
        scene.server.will(quoting(scene.server, status, code))
        scene.settings["AWS_ENDPOINT_URL"] = scene.server.url

    return arrange


def the_container_answers(
    status: int, changes: Mapping[str, str] | None = None
) -> Callable[[Scene], None]:
    """Keys come from the container's endpoint."""

    def arrange(scene: Scene) -> None:
        scores(scene)
        keys = {
            "AccessKeyId": KEYS["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": KEYS["AWS_SECRET_ACCESS_KEY"],
            "Token": KEYS["AWS_SESSION_TOKEN"],
            "Expiration": "2099-01-01T00:00:00Z",
        }
        scene.server.will(answer(status, json.dumps(keys | dict(changes or {})).encode()))
        scene.settings |= dict.fromkeys(KEYS, "") | {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": scene.server.url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "canary-container-token",
        }

    return arrange


def is_told(settings: Mapping[str, str]) -> Callable[[Scene], None]:
    def arrange(scene: Scene) -> None:
        scores(scene)
        scene.settings |= settings

    return arrange


NO_EXCEPTION = {"NO_PROXY": "", "no_proxy": ""}
SCENES: dict[str, tuple[Callable[[Scene], None], str]] = {
    "scores": (scores, "batch scored"),
    "has no model": (has_no_model, "no model is published"),
    "refuses a model that lies": (refuses_a_lie, "for a golden row"),
    "refuses a damaged model": (refuses_damage, "published was"),
    "fails on each ride": (fails_on_each_ride, "model_output"),
    "has a shadow that fails": (has_a_shadow_that_fails, "it failed with"),
    "writes to no stream": (writes_nowhere, "ResourceNotFoundException"),
    "is refused its signature": (kinesis_answers(400, "InvalidSignatureException"), "answered 400"),
    "is throttled": (kinesis_answers(400, "ThrottlingException"), "ThrottlingException"),
    "meets a server that is down": (kinesis_answers(503, "InternalFailure"), "answered 503"),
    "gets an answer of something else": (kinesis_answers(200, "None"), "cannot be parsed"),
    "has expired": (kinesis_answers(403, "ExpiredTokenException"), "ExpiredTokenException"),
    "is refused by S3": (s3_answers(403, "SignatureDoesNotMatch"), "SignatureDoesNotMatch"),
    "meets an S3 that is down": (s3_answers(500, "InternalError"), "answered 500"),
    "is sent elsewhere by S3": (s3_answers(301, "PermanentRedirect"), "another region"),
    "has the container's keys": (the_container_answers(200), "batch scored"),
    "has keys that are too old": (
        the_container_answers(200, {"Expiration": "2001-01-01T00:00:00Z"}),
        "already expired",
    ),
    "has keys that are none": (
        the_container_answers(200, {"Expiration": "soon"}),
        "something other than credentials",
    ),
    "has keys in two lines": (
        the_container_answers(200, {"Token": "canary\n"}),
        "not valid in a header",
    ),
    "is refused the container's keys": (the_container_answers(403), "answered 403"),
    "has a token with a line break": (
        is_told({"AWS_SESSION_TOKEN": "canary\n"}),
        "printable ASCII without spaces",
    ),
    "has half a pair of keys": (
        is_told({"AWS_SECRET_ACCESS_KEY": ""}),
        "lacks AWS_SECRET_ACCESS_KEY",
    ),
    "has an endpoint with a password": (
        is_told({"AWS_ENDPOINT_URL": "http://rides:canary@127.0.0.1:9"}),
        "without a query, a user or a password",
    ),
    "has a proxy with a password that is away": (
        is_told({"http_proxy": "http://rides:canary@127.0.0.1:9", **NO_EXCEPTION}),
        "gave no complete response",
    ),
    "has a proxy of another kind": (
        is_told({"http_proxy": "https://rides:canary@127.0.0.1:9", **NO_EXCEPTION}),
        "no other kind of proxy is supported",
    ),
}


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.usefixtures("aws")
def test_the_function_tells_no_secret_when_it(name: str) -> None:
    arrange, expected = SCENES[name]
    with Server() as server:
        arrange(scene := Scene(server))
        said = scene.said()
    assert expected in said
    require_no_secret(said)
    assert "very-private" not in said
    assert "12.34567891" not in said
    for payload in PAYLOADS:
        assert base64.b64encode(payload).decode() not in said


def test_what_is_set_aside_and_predicted_holds_no_key(aws: boto3.Session) -> None:
    with Server() as server:
        scores(scene := Scene(server))
        scene.said()
    require_no_secret(written := everything_in(aws, "rejects", "ride-predictions"))
    assert '"not_json"' in written
    assert '"ride_duration"' in written


def require_no_secret(said: str) -> None:
    """Neither a canary, in any case, nor what was signed with one."""
    assert "canary" not in said.lower()
    assert SIGNED.findall(said) == []


def everything_in(aws: boto3.Session, bucket: str, stream: str) -> str:
    s3, kinesis = aws.client("s3"), aws.client("kinesis")
    held = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    found = [s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in held]
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found += [item["Data"] for item in kinesis.get_records(ShardIterator=iterator)["Records"]]
    return b"\n".join(found).decode(errors="replace")


# The commands

TRAINING = {
    "history": "history --model-bucket models",
    "rollback": "rollback --model-bucket models",
    "train": "train s3://taxi/yellow_tripdata_2023-01.parquet",
}


@pytest.mark.parametrize("command", TRAINING)
@pytest.mark.parametrize("code", ["InvalidSignatureException", "SignatureDoesNotMatch"])
@pytest.mark.usefixtures("aws")
def test_what_aws_quotes_of_a_request_of_training_is_not_said(
    command: str, code: str, tmp_path: Path
) -> None:
    with Server() as server:
        server.will(quoting(server, 403, code))
        registry = f"sqlite:///{tmp_path / 'mlflow.db'}"
        settings = {"AWS_ENDPOINT_URL": server.url, "MLFLOW_TRACKING_URI": registry}
        said = said_by(["-m", "training", *TRAINING[command].split()], {**KEYS, **settings})
        assert any(KEYS["AWS_SESSION_TOKEN"] in asked.headers.values() for asked in server.asked)
    assert code in said
    require_no_secret(said)


NAMES = {
    "EVENTS_STREAM_NAME": "ride-events",
    "PREDICTIONS_STREAM_NAME": "ride-predictions",
    "REJECTS_BUCKET": "rejects",
}
COMMANDS = {
    "send": "send --count 40 --rate 400 --malformed 0.2 --json",
    "verify": "verify --deadline 1 --json",
    "watch": "watch --plain --duration 2 --every 0.5 --json",
    "redrive": "redrive --from rejects --json",
}


def simulated(command: str, folder: Path, **settings: str) -> str:
    words = COMMANDS[command].split()
    if command in {"send", "verify"}:
        words += ["--out", str(folder)]
    part = "stream_sim" if command in {"send", "verify"} else "operations"
    return said_by(["-m", part, *words], {**KEYS, **NAMES, **settings})


@pytest.mark.usefixtures("aws")
def test_no_command_of_the_simulator_writes_a_key(tmp_path: Path) -> None:
    set_aside(a_reject(1))
    said = {command: simulated(command, tmp_path) for command in COMMANDS}
    for command, expected in {
        "send": '"sent":40',
        "verify": '"lost":',
        "watch": '"backlog"',
        "redrive": '"sent":1',
    }.items():
        assert expected in said[command], said[command]
        require_no_secret(said[command])
    files = {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert {"account.json", "report.html"} < files.keys()
    for content in files.values():
        require_no_secret(content.decode(errors="replace"))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("code", ["InvalidSignatureException", "SignatureDoesNotMatch"])
@pytest.mark.usefixtures("aws")
def test_what_aws_quotes_of_a_request_is_not_said(command: str, code: str, tmp_path: Path) -> None:
    folder = tmp_path if command == "send" else runs.write(tmp_path, runs.sent(3))
    with Server() as server:
        server.will(quoting(server, 403, code))
        said = simulated(command, folder, AWS_ENDPOINT_URL=server.url)
        assert any(KEYS["AWS_SESSION_TOKEN"] in asked.headers.values() for asked in server.asked)
    assert code in said
    require_no_secret(said)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("aws")
def test_the_password_of_an_address_is_not_said(command: str, tmp_path: Path) -> None:
    folder = tmp_path if command == "send" else runs.write(tmp_path, runs.sent(3))
    there = "http://rides:canary@127.0.0.1:9"
    said = simulated(command, folder, AWS_ENDPOINT_URL=there, AWS_MAX_ATTEMPTS="1")
    assert "127.0.0.1:9" in said
    require_no_secret(said)
