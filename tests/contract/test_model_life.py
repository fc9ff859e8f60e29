"""A model from trips to predictions: MLflow's registry, the model store, the function's loader."""

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import mlflow
import msgspec
import pandas as pd
import pytest

from infra.common.bucket import Bucket
from infra.common.console import UserError
from ride_scoring.aws import connect
from ride_scoring.domain import features
from ride_scoring.errors import ModelRefused, ModelUnavailable
from ride_scoring.models import compiled
from ride_scoring.models.model import LoadedModel
from ride_scoring.models.serving import AliasedModel, Unwatched
from ride_scoring.models.store import AliasPointer, Manifest, ModelStore
from tests import registered
from tests.registered import NAME
from training import datasets, tracking
from training.compiler import NotCompilable
from training.models import boosted
from training.models.kind import feature_matrix
from training.registry.model_directory import PARITY_FILE
from training.store.publish import Published, publish
from training.train import TrainedModel

# MLflow is warned by newer pandas and SQLAlchemy of what is its own to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

POINTER = f"models/{NAME}/aliases/champion.json"


@pytest.fixture(scope="module", autouse=True)
def champion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainedModel]:
    with registered.registry(tmp_path_factory.mktemp("mlflow")):
        yield registered.trained(alias="champion")


@pytest.fixture
def registry() -> mlflow.MlflowClient:
    return tracking.client()


@pytest.fixture(scope="module")
def store() -> dict[str, bytes]:
    """What publishing put into the bucket, as each test has an empty one and publishing takes
    seconds."""
    return {}


@pytest.fixture(scope="module")
def first() -> list[Published]:
    """What publishing answered, once it has."""
    return []


@pytest.fixture
def published(
    registry: mlflow.MlflowClient,
    aws: boto3.Session,
    store: dict[str, bytes],
    first: list[Published],
) -> Published:
    """The champion in the bucket: published by the first test that asks, then put there again."""
    if not first:
        first.append(publish(registry, aws.client("s3"), "models", NAME, "champion"))
        for found in aws.client("s3").list_objects_v2(Bucket="models")["Contents"]:
            store[found["Key"]] = get(aws, found["Key"])
    else:
        for key, body in store.items():
            put(aws, key, body)
    return first[0]


def loader(alias: str = "champion") -> AliasedModel:
    """The function's own, with what the environment says of moto."""
    store = ModelStore(connect(os.environ).s3, "models", NAME)
    return AliasedModel(store, alias, "champion", 0.0, Unwatched())


def put(aws: boto3.Session, key: str, body: bytes) -> None:
    aws.client("s3").put_object(Bucket="models", Key=key, Body=body)


def get(aws: boto3.Session, key: str) -> bytes:
    return aws.client("s3").get_object(Bucket="models", Key=key)["Body"].read()


def test_a_version_carries_what_a_person_asks_of_it(
    champion: TrainedModel, registry: mlflow.MlflowClient
) -> None:
    run = registry.get_run(champion.run_id)
    assert run.data.params["train"] == registered.DATA
    assert run.data.metrics["rmse_minutes"] == champion.rmse_minutes
    assert 1 < champion.rmse_minutes < 9
    assert run.data.metrics["rmse_minutes_low"] < champion.rmse_minutes
    assert run.inputs is not None
    assert [found.dataset.name for found in run.inputs.dataset_inputs] == [registered.DATA]
    version = registry.get_model_version_by_alias(NAME, "champion")
    assert version.tags["git_commit"]
    assert len(version.tags["environment_sha256"]) == 64
    (report,) = datasets.read([registered.DATA], (), "function").lineage.train
    assert version.tags["train_sha256"] == report.sha256
    info = mlflow.models.get_model_info(f"models:/{NAME}/{version.version}")
    assert info.signature is not None
    assert info.signature.inputs.input_names() == list(boosted.FEATURES)
    assert info.saved_input_example_info is not None


def test_a_version_carries_its_files(champion: TrainedModel, registry: mlflow.MlflowClient) -> None:
    files = {found.path for found in registry.list_artifacts(champion.run_id)}
    assert files >= {
        *("golden_rows.json", "training_pairs.json", "reference_profile.json", "lineage.json"),
        *("environment.txt", "evaluation.json", "importance.json", "model_card.md", "figures"),
    }
    figures = {found.path for found in registry.list_artifacts(champion.run_id, "figures")}
    assert {"figures/calibration.png", "figures/residuals.png", "figures/importance.png"} <= figures
    card = mlflow.artifacts.load_text(f"runs:/{champion.run_id}/model_card.md")
    assert registered.DATA in card
    assert "Brooklyn" in card
    environment = mlflow.artifacts.load_text(f"runs:/{champion.run_id}/environment.txt")
    assert "scikit-learn==" in environment


@pytest.mark.usefixtures("published")
def test_the_function_serves_what_was_trained(champion: TrainedModel) -> None:
    model = loader().current()
    assert (model.name, model.version, model.run_id) == (NAME, "1", champion.run_id)
    ridden = datasets.read([registered.DATA], (), "function").train.where(slice(50))
    served = model.predictor.predict(ridden.rides(), [0.0] * 50)
    pipeline = mlflow.sklearn.load_model(f"models:/{NAME}/1")
    expected = pipeline.predict(feature_matrix(boosted.FEATURES, ridden))
    assert served == pytest.approx(expected, abs=1e-9)


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


def test_what_was_compiled_once_is_published_as_it_was(
    registry: mlflow.MlflowClient, aws: boto3.Session, published: Published
) -> None:
    """Even by a machine that would compile it otherwise, or cannot."""
    kept = registry.list_artifacts(loader().current().run_id, "compiled")
    assert {Path(found.path).name for found in kept} == {compiled.FILE, PARITY_FILE}
    aws.client("s3").delete_object(Bucket="models", Key=f"models/{NAME}/versions/1.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.registry.model_directory.compile_checked", refuse)
        again = publish(registry, aws.client("s3"), "models", NAME, "champion")
    assert again.compiled
    assert again.parity == published.parity


def refuse(*_: object) -> None:
    raise NotCompilable("it has a step that nobody knows")


@pytest.mark.thorough
def test_a_model_that_does_not_compile_is_published_and_says_why(
    registry: mlflow.MlflowClient, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.registry.model_directory.compile_checked", refuse)
    registered.trained(alias="uncompiled")
    published = publish(registry, aws.client("s3"), "models", NAME, "uncompiled")
    assert (published.compiled, published.parity) == (False, "it has a step that nobody knows")
    served = loader("uncompiled").current().predictor
    assert isinstance(served, LoadedModel)
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
    rides = [row.input for row in manifest.golden_rows]
    frame = pd.DataFrame(features.matrix(names, rides, [0.0] * len(rides)), columns=names)
    assert pyfunc.predict(frame) == pytest.approx(
        [row.predicted for row in manifest.golden_rows], abs=1e-9
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


@pytest.mark.thorough
def test_a_pointer_knows_what_it_named_before(
    registry: mlflow.MlflowClient, aws: boto3.Session, published: Published
) -> None:
    later = registered.trained("synthetic:1500:1", alias="champion")
    try:
        newer = publish(registry, aws.client("s3"), "models", NAME, "champion")
        assert (newer.version, newer.previous) == (later.version, published.version)
        assert loader().current().version == later.version
    finally:
        registry.set_registered_model_alias(NAME, "champion", "1")


class CutShort(Exception):
    """The publisher's process ends here."""


@pytest.mark.thorough
def test_a_publish_that_was_cut_short_anywhere_is_repeated_safely(
    registry: mlflow.MlflowClient, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each of its writes in turn: until the last, no reader finds anything."""
    write = Bucket.write
    for lived in itertools.count():
        left = iter(range(lived))

        def write_some(
            bucket: Bucket,
            key: str,
            body: bytes,
            etag: str | None = None,
            left: Iterator[int] = left,
        ) -> str | None:
            if next(left, None) is None:
                raise CutShort(key)
            return write(bucket, key, body, etag)

        monkeypatch.setattr(Bucket, "write", write_some)
        try:
            publish(registry, aws.client("s3"), "models", NAME, "champion")
        except CutShort:
            with pytest.raises(ModelUnavailable):
                loader().current()
        else:
            break
    assert lived > 5
    assert loader().current().version == "1"


def test_of_two_registries_that_publish_one_version_at_once_neither_mixes(
    registry: mlflow.MlflowClient, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's files come between ours: whoever wrote the first file goes on, alone."""
    write = Bucket.write

    def other_first(bucket: Bucket, key: str, body: bytes, etag: str | None = None) -> str | None:
        write(bucket, key, b"another registry's " + body)
        return write(bucket, key, body, etag)

    monkeypatch.setattr(Bucket, "write", other_first)
    with pytest.raises(UserError, match="MLmodel is another model's"):
        publish(registry, aws.client("s3"), "models", NAME, "champion")
    written = aws.client("s3").list_objects_v2(Bucket="models")["Contents"]
    assert [found["Key"] for found in written] == [f"models/{NAME}/versions/1/MLmodel"]


def test_of_two_publishers_of_one_version_both_are_done(
    registry: mlflow.MlflowClient, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files from the same registry: the second finds them as they are to be."""
    write = Bucket.write

    def twin_first(bucket: Bucket, key: str, body: bytes, etag: str | None = None) -> str | None:
        if "/versions/" in key:
            assert write(bucket, key, body)
        return write(bucket, key, body, etag)

    monkeypatch.setattr(Bucket, "write", twin_first)
    publish(registry, aws.client("s3"), "models", NAME, "champion")
    assert loader().current().version == "1"


def test_a_bucket_that_is_not_there_is_said(
    registry: mlflow.MlflowClient, aws: boto3.Session
) -> None:
    with pytest.raises(UserError, match="bucket nowhere does not exist"):
        publish(registry, aws.client("s3"), "nowhere", NAME, "champion")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body.replace(b'"run_id":"', b'"run_id":"f'), "is another model's"),
        (lambda _: b'{"another": "model"}', "is damaged, and versions are never overwritten"),
        (lambda body: body[:-9] + b"\xff", "is damaged"),
        (lambda _: b"", "is damaged"),
    ],
)
def test_a_version_of_another_registry_or_a_damaged_one_is_not_written_over(
    registry: mlflow.MlflowClient,
    aws: boto3.Session,
    published: Published,
    change: Callable[[bytes], bytes],
    said: str,
) -> None:
    other = f"models/{NAME}/versions/{published.version}.json"
    put(aws, other, changed := change(get(aws, other)))
    pointer = get(aws, POINTER)
    with pytest.raises(UserError, match=said):
        publish(registry, aws.client("s3"), "models", NAME, "champion")
    assert (get(aws, other), get(aws, POINTER)) == (changed, pointer)


def test_an_alias_that_nobody_set_is_said(
    registry: mlflow.MlflowClient, aws: boto3.Session
) -> None:
    with pytest.raises(UserError, match="no alias 'challenger'"):
        publish(registry, aws.client("s3"), "models", NAME, "challenger")
