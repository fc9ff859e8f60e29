"""The function scores something else once another package stands in its domain's place: no other
module changes. The zip is built, and runs in AWS's runtime client against moto.
"""

import base64
import hashlib
import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import boto3
import msgspec
import onnx
import pytest
import skops.io

from infra import package
from infra.common import local_function
from infra.common.paths import FUNCTION_SOURCES, REQUIREMENTS, RUNTIME_PYTHON
from infra.stack import local_architecture
from localstack_processes.runtime_process import RuntimeProcess
from ride_scoring import domain
from ride_scoring.models import compiled, store
from ride_scoring.models.inputs import matrix_of
from tests.contract.conftest import moto_settings
from tests.models import linear, mlmodel, skops_flavor
from tests.second_domain import parcels
from training.compiler import compile_model

FEATURES: Final = ("weight_kg", "depots_apart")
RIDE_FEATURES: Final = ("trip_distance", "crow_miles")
GOLDEN: Final = parcels.Input(2.0, "Oslo", "Tromsø")
NONE_FAILED: Final[dict[str, list[str]]] = {"batchItemFailures": []}


@pytest.fixture
def task_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The function's zip, built with parcels in the place of rides, and unpacked."""
    sources = tmp_path / "lambda" / FUNCTION_SOURCES.name
    without = shutil.ignore_patterns("domain", "__pycache__")
    shutil.copytree(FUNCTION_SOURCES, sources, ignore=without)
    shutil.copytree(Path(parcels.__file__).parent, sources / "domain")
    pins = shutil.copytree(REQUIREMENTS, tmp_path / "infra" / "requirements")
    monkeypatch.setattr(package, "ROOT", tmp_path)
    monkeypatch.setattr(package, "BUILD", tmp_path / "build")
    monkeypatch.setattr(package, "REQUIREMENTS", pins)
    scoring = msgspec.structs.replace(package.SCORING, sources=(sources,))
    built = package.build(scoring, local_architecture())
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(tmp_path / "task")
    return tmp_path / "task"


@pytest.fixture
def function(task_root: Path, aws: boto3.Session) -> Iterator[local_function.Started]:
    aws.client("kinesis").create_stream(StreamName=parcels.PREDICTIONS_STREAM_NAME, ShardCount=1)
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **moto_settings(),
        **local_function._LAMBDA,
        "PYTHONPATH": str(task_root),
        "MODEL_BUCKET": "models",
        "REJECTS_BUCKET": "rejects",
        "MODEL_REFRESH_SECONDS": "0",
    }
    command = [str(RUNTIME_PYTHON), "-m", "awslambdaric", "ride_scoring.handler.handler"]
    process = RuntimeProcess(command, environment, task_root)
    try:
        process.await_ready(300)
        yield local_function.Started(process)
    finally:
        process.stop()


def publish(aws: boto3.Session, version: str, hours_a_kilogram: float, golden: float) -> None:
    """A compiled model that adds ten hours for each depot on the way, in the store's layout."""
    estimator = linear(hours_a_kilogram, 10.0)
    files = {
        "MLmodel": mlmodel(FEATURES, skops_flavor()),
        "model.skops": skops.io.dumps(estimator),
    }
    sources = {path: sha256(body) for path, body in files.items()}
    parity = compiled.Parity(inputs=1, largest_difference=0.0)
    # The compiler knows the features of rides alone; a graph does not depend on their names.
    graph = onnx.load_from_string(
        compile_model(estimator, matrix_of(RIDE_FEATURES), sources, parity)
    )
    (named,) = (held for held in graph.metadata_props if held.key == "features")
    named.value = json.dumps(FEATURES)
    files[compiled.FILE] = graph.SerializeToString()
    manifest = json.dumps(
        {
            "name": parcels.MODEL_NAME,
            "version": version,
            "run_id": f"run-{version}",
            "metrics": {},
            "signature": None,
            "files": {path: sha256(body) for path, body in files.items()},
            "golden_rows": [msgspec.to_builtins(parcels.GoldenRow(GOLDEN, golden))],
        }
    ).encode()
    pointer = {
        "version": version,
        "manifest_sha256": sha256(manifest),
        "previous": None,
        "updated_at": "2026-01-01T00:00:00Z",
    }
    name = parcels.MODEL_NAME
    put = aws.client("s3").put_object
    for path, body in files.items():
        put(Bucket="models", Key=store.file_key(name, version, path), Body=body)
    put(Bucket="models", Key=store.manifest_key(name, version), Body=manifest)
    key = store.pointer_key(name, "champion")
    put(Bucket="models", Key=key, Body=json.dumps(pointer).encode())


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def batch(*events: Mapping[str, Any]) -> bytes:
    return json.dumps(
        {"Records": [record(number, event) for number, event in enumerate(events)]}
    ).encode()


def record(number: int, event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "eventID": f"shardId-000000000000:{number}",
        "kinesis": {
            "partitionKey": str(number),
            "sequenceNumber": str(number),
            "approximateArrivalTimestamp": time.time(),
            "data": base64.b64encode(json.dumps(event).encode()).decode(),
        },
    }


def parcel(label: str, **changes: Any) -> dict[str, Any]:
    return {"label": label, "parcel": msgspec.to_builtins(GOLDEN) | changes}


def written(aws: boto3.Session) -> list[tuple[str, parcels.Prediction]]:
    """The partition keys and predictions in the stream, in order."""
    kinesis = aws.client("kinesis")
    iterator = kinesis.get_shard_iterator(
        StreamName=parcels.PREDICTIONS_STREAM_NAME,
        ShardId="shardId-000000000000",
        ShardIteratorType="TRIM_HORIZON",
    )["ShardIterator"]
    found = kinesis.get_records(ShardIterator=iterator)["Records"]
    return [
        (item["PartitionKey"], msgspec.json.decode(item["Data"], type=parcels.Prediction))
        for item in found
    ]


def rejected(aws: boto3.Session) -> list[dict[str, Any]]:
    s3 = aws.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="rejects").get("Contents", [])]
    bodies = [s3.get_object(Bucket="rejects", Key=key)["Body"].read() for key in keys]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


@pytest.mark.thorough
def test_it_is_packed_wired_scores_rejects_and_follows_its_alias(
    function: local_function.Started, aws: boto3.Session
) -> None:
    publish(aws, "1", hours_a_kilogram=3.0, golden=16.0)

    answer = function.answer(
        batch(
            parcel("a"),
            parcel("b", weight_kg=4.0, destination="Bergen"),
            parcel("heavy", weight_kg=36.0),
            parcel("c", destination="Oslo"),
            {"ride_id": 7, "ride": {"PULocationID": 1, "DOLocationID": 2, "trip_distance": 3}},
            {**parcel("old"), "schema_version": 1},
        )
    )

    assert json.loads(answer) == NONE_FAILED, function.take_log()
    assert [key for key, _ in written(aws)] == ["a", "b", "c"]
    hours = [said.prediction.hours for _, said in written(aws)]
    assert hours == pytest.approx([16.0, 22.0, 6.0])
    (_, first), *_ = written(aws)
    assert (first.model, first.version, first.run_id) == (parcels.MODEL_NAME, "1", "run-1")
    assert first.parcel == GOLDEN
    reasons = {item["event_id"].rpartition(":")[2]: item["reason"] for item in rejected(aws)}
    assert reasons == {"2": "out_of_range", "4": "schema", "5": "schema_version"}

    publish(aws, "2", hours_a_kilogram=1.0, golden=12.0)
    assert json.loads(function.answer(batch(parcel("d")))) == NONE_FAILED
    ((_, fourth),) = written(aws)[3:]
    assert fourth.version == "2"
    assert fourth.prediction.hours == pytest.approx(12.0)

    publish(aws, "3", hours_a_kilogram=1.0, golden=13.0)
    assert json.loads(function.answer(batch(parcel("e")))) == NONE_FAILED
    assert "12.0 hours for a golden row" in function.take_log()
    assert [said.version for _, said in written(aws)[4:]] == ["2"]


def test_both_domains_give_what_the_function_asks_of_one() -> None:
    assert parcels.__all__ == domain.__all__
