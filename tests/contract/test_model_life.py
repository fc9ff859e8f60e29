"""A model from trips to predictions: MLflow's registry, the model store, the function's loader."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import boto3
import mlflow
import msgspec
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from infra.console import UserError
from ride_scoring import compiled, features
from ride_scoring.aws import connect
from ride_scoring.errors import ModelRefused, ModelUnavailable
from ride_scoring.model import RideModel
from ride_scoring.model_store import AliasPointer, Manifest, ModelStore
from ride_scoring.serving import AliasedModel, Unwatched
from stream_sim import trips
from training import tracking
from training.compiler import NotCompilable, ParityReport, compile_checked
from training.publish import PARITY_FILE, Published, publish
from training.train import TrainedModel, feature_matrix, train

# MLflow is warned by newer pandas and SQLAlchemy of what is its own to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

NAME = "ride-duration"
POINTER = f"models/{NAME}/aliases/champion.json"
TRIPS = trips.synthetic(3_000, seed=4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        return train(TRIPS, "3000 synthetic trips", NAME, "champion", seed=0)


@pytest.fixture
def registry(trained: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    assert trained.version == "1"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.get_tracking_uri())
    return tracking.client()


@pytest.fixture(scope="module", autouse=True)
def compiled_once() -> Iterator[None]:
    """Compared with its source over all the rides, each model once: that takes seconds."""
    known: dict[str, tuple[bytes, ParityReport]] = {}

    def compile_once(
        estimator: BaseEstimator, names: Sequence[str], sources: Mapping[str, str]
    ) -> tuple[bytes, ParityReport]:
        key = repr(sorted(sources.items()))
        if key not in known:
            known[key] = compile_checked(estimator, names, sources)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.publish.compile_checked", compile_once)
        yield


@pytest.fixture
def published(registry: mlflow.MlflowClient, aws: boto3.Session) -> Published:
    return publish(registry, aws.client("s3"), "models", NAME, "champion")


def loader() -> AliasedModel:
    """The function's own, with what the environment says of moto."""
    store = ModelStore(connect(os.environ).s3, "models", NAME)
    return AliasedModel(store, "champion", "champion", 0.0, Unwatched())


def put(aws: boto3.Session, key: str, body: bytes) -> None:
    aws.client("s3").put_object(Bucket="models", Key=key, Body=body)


def get(aws: boto3.Session, key: str) -> bytes:
    return aws.client("s3").get_object(Bucket="models", Key=key)["Body"].read()


def test_a_run_holds_what_a_person_asks_of_it(
    trained: TrainedModel, registry: mlflow.MlflowClient
) -> None:
    run = registry.get_run(trained.run_id)
    assert run.data.params["source"] == "3000 synthetic trips"
    assert run.data.metrics["rmse_minutes"] == trained.rmse_minutes
    assert 1 < trained.rmse_minutes < 9
    version = registry.get_model_version_by_alias(NAME, "champion")
    info = mlflow.models.get_model_info(f"models:/{NAME}/{version.version}")
    assert info.signature is not None
    assert info.signature.inputs.input_names()[0] == "PU_DO"
    assert info.saved_input_example_info is not None


@pytest.mark.usefixtures("published")
def test_the_function_serves_what_was_trained(trained: TrainedModel) -> None:
    model = loader().current()
    assert (model.name, model.version, model.run_id) == (NAME, "1", trained.run_id)
    ridden = TRIPS.where(slice(50))
    served = model.predictor.predict(ridden.rides(), [0.0] * 50)
    pipeline = mlflow.sklearn.load_model(f"models:/{NAME}/1")
    assert served == pytest.approx(pipeline.predict(feature_matrix(ridden)), abs=1e-9)


def test_what_is_published_is_compiled_and_says_how_close_it_is(
    published: Published, aws: boto3.Session
) -> None:
    assert published.compiled
    assert "rides" in published.parity
    report = msgspec.json.decode(get(aws, f"models/{NAME}/versions/1/{PARITY_FILE}"))
    assert report["rides"] >= 20_000
    assert report["largest_difference_minutes"] < 1e-9
    content = get(aws, f"models/{NAME}/versions/1/{compiled.FILE}")
    manifest = msgspec.json.decode(get(aws, f"models/{NAME}/versions/1.json"), type=Manifest)
    sources = compiled.CompiledModel(content).metadata.sources
    assert sources == {path: manifest.files[path] for path in ("MLmodel", "model.skops")}


def test_a_model_that_does_not_compile_is_published_and_says_why(
    registry: mlflow.MlflowClient, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NotCompilable("it has a step that nobody knows")

    monkeypatch.setattr("training.publish.compile_checked", refuse)
    published = publish(registry, aws.client("s3"), "models", NAME, "champion")
    assert (published.compiled, published.parity) == (False, "it has a step that nobody knows")
    served = loader().current().predictor
    assert isinstance(served, RideModel)
    assert served.way == "sklearn"


@pytest.mark.usefixtures("published")
def test_mlflow_itself_serves_the_published_directory_alike(
    aws: boto3.Session, tmp_path: Path
) -> None:
    manifest = msgspec.json.decode(get(aws, f"models/{NAME}/versions/1.json"), type=Manifest)
    for path in manifest.files:
        (target := tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(get(aws, f"models/{NAME}/versions/1/{path}"))
    pyfunc = mlflow.pyfunc.load_model(str(tmp_path))
    names = pyfunc.metadata.get_input_schema().input_names()
    rides = [row.ride for row in manifest.golden_rows]
    frame = pd.DataFrame(features.matrix(names, rides, [0.0] * len(rides)), columns=names)
    assert pyfunc.predict(frame) == pytest.approx(
        [row.ride_duration for row in manifest.golden_rows], abs=1e-9
    )


@pytest.mark.usefixtures("aws")
def test_before_anything_is_published_the_function_says_so() -> None:
    with pytest.raises(ModelUnavailable, match=r"no model is published at s3://models/.*champion"):
        loader().current()


@pytest.mark.usefixtures("published")
def test_a_function_that_found_no_model_finds_it_later(aws: boto3.Session) -> None:
    pointer = get(aws, POINTER)
    aws.client("s3").delete_object(Bucket="models", Key=POINTER)
    models = loader()
    with pytest.raises(ModelUnavailable):
        models.current()
    put(aws, POINTER, pointer)
    assert models.current().version == "1"


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("key", "body", "complaint"),
    [
        (POINTER, b"no json", "pointer .* damaged"),
        (POINTER, b'{"version": "1"}', "pointer .* damaged"),
        (f"models/{NAME}/versions/1.json", b"{}", "SHA-256"),
        (f"models/{NAME}/versions/1/compiled.onnx", b"other", "SHA-256"),
    ],
)
def test_what_is_not_what_was_published_is_refused(
    aws: boto3.Session, key: str, body: bytes, complaint: str
) -> None:
    put(aws, key, body)
    with pytest.raises(ModelRefused, match=complaint):
        loader().current()


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"files": {"../outside": "0" * 64}}, "no MLmodel file"),
        ({"golden_rows": "minutes off by one"}, "golden row"),
    ],
)
def test_a_manifest_that_lies_is_refused(
    aws: boto3.Session, change: dict[str, object], complaint: str
) -> None:
    key = f"models/{NAME}/versions/1.json"
    manifest = msgspec.json.decode(get(aws, key))
    if "golden_rows" in change:
        manifest["golden_rows"][0]["ride_duration"] += 1
    else:
        manifest |= change
    body = msgspec.json.encode(manifest)
    put(aws, key, body)
    pointer = msgspec.json.decode(get(aws, POINTER), type=AliasPointer)
    digest = hashlib.sha256(body).hexdigest()
    put(aws, POINTER, msgspec.json.encode(msgspec.structs.replace(pointer, manifest_sha256=digest)))
    with pytest.raises(ModelRefused, match=complaint):
        loader().current()


def test_publishing_again_changes_nothing_but_the_time(
    registry: mlflow.MlflowClient, aws: boto3.Session, published: Published
) -> None:
    before = msgspec.json.decode(get(aws, POINTER), type=AliasPointer)
    again = publish(registry, aws.client("s3"), "models", NAME, "champion")
    after = msgspec.json.decode(get(aws, POINTER), type=AliasPointer)
    assert again == published
    assert after.manifest_sha256 == before.manifest_sha256
    assert after.previous is None


def test_a_pointer_knows_what_it_named_before(
    registry: mlflow.MlflowClient, aws: boto3.Session, published: Published
) -> None:
    train(TRIPS.where(slice(1_500)), "fewer trips", NAME, "champion", seed=1)
    try:
        newer = publish(registry, aws.client("s3"), "models", NAME, "champion")
        assert (newer.version, newer.previous) == ("2", published.version)
        assert loader().current().version == "2"
    finally:
        registry.set_registered_model_alias(NAME, "champion", "1")


def test_a_version_of_another_registry_is_not_written_over(
    registry: mlflow.MlflowClient, aws: boto3.Session, published: Published
) -> None:
    other = f"models/{NAME}/versions/{published.version}.json"
    put(aws, other, b'{"another": "model"}')
    pointer = get(aws, POINTER)
    with pytest.raises(UserError, match="is another model"):
        publish(registry, aws.client("s3"), "models", NAME, "champion")
    assert (get(aws, other), get(aws, POINTER)) == (b'{"another": "model"}', pointer)


def test_an_alias_that_nobody_set_is_said(
    registry: mlflow.MlflowClient, aws: boto3.Session
) -> None:
    with pytest.raises(UserError, match="no alias 'challenger'"):
        publish(registry, aws.client("s3"), "models", NAME, "challenger")
