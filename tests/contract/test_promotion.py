"""Challengers that become champions, or do not; and the ways back from a champion to its data."""

import io
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import mlflow
import msgspec
import pytest

from infra.common.console import UserError
from infra.common.steps import Steps
from ride_scoring.domain.events import Prediction, RideDuration
from ride_scoring.streams import kpl
from tests import registered, trip_files
from tests.registered import NAME, WORSE
from training import datasets, history, trace, tracking
from training.compiler import NotCompilable
from training.evaluate import evaluate
from training.models.boosted import BOOSTED
from training.promote import Promotion, promote
from training.registry import artifacts, versions
from training.store.bucket import store_bucket
from training.store.publish import publish
from training.store.rollback import follow, roll_back
from training.train import TrainedModel, train

# MLflow is warned by newer pandas and SQLAlchemy of what is its own to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.thorough]

Client = mlflow.MlflowClient
PREDICTIONS = trace.Where("ride-predictions")


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TrainedModel]]:
    with registered.registry(tmp_path_factory.mktemp("mlflow")):
        yield {
            "good": registered.trained(),
            "worse": registered.trained(hyperparameters=WORSE),
            "again": registered.trained(seed=1),
        }


@pytest.fixture
def client(models: dict[str, TrainedModel]) -> Client:
    """Of a registry whose champion is the good model, and whose challenger the worse one."""
    found = tracking.client()
    for alias, kind in (("champion", "good"), ("challenger", "worse")):
        found.set_registered_model_alias(NAME, alias, models[kind].version)
    return found


def promoted(client: Client, which: str = "challenger", **changes: object) -> Promotion:
    options = {"margin_minutes": 0.0, "force": False, "seed": 0, "steps": Steps(quiet=True)}
    validate = changes.pop("validate", ())
    return promote(client, NAME, which, "champion", validate, **(options | changes))  # type: ignore[arg-type]


def champion(client: Client) -> str:
    return versions.number(versions.by_alias(client, NAME, "champion"))


def test_the_first_has_to_beat_the_best_constant(client: Client) -> None:
    client.delete_registered_model_alias(NAME, "champion")
    first = promoted(client, "1")
    assert (first.promoted, first.before, first.reasons) == (True, None, [])
    assert first.verdict.difference_minutes > 3
    assert champion(client) == "1"
    assert "best constant" in versions.moves(client, NAME)[-1].note


def test_a_worse_challenger_is_refused_and_it_is_kept_why(client: Client) -> None:
    refused = promoted(client)
    assert not refused.promoted
    assert refused.before == "1"
    assert "not better beyond the noise" in refused.reasons[0]
    assert any("worse on" in reason or "miles" in reason for reason in refused.reasons[1:])
    assert champion(client) == "1"
    version = versions.by_alias(client, NAME, "challenger")
    (kept, *_) = client.list_artifacts(str(version.run_id), artifacts.PROMOTIONS)
    found = msgspec.json.decode(artifacts.text(version, kept.path), type=Promotion)
    assert found.reasons == refused.reasons


def test_one_that_is_as_good_is_refused(client: Client) -> None:
    refused = promoted(client, "3")
    assert not refused.promoted
    assert abs(refused.verdict.difference_minutes) < 1


def test_force_promotes_it_and_the_registry_says_so(client: Client) -> None:
    forced = promoted(client, force=True)
    assert (forced.promoted, forced.forced) == (True, True)
    assert champion(client) == "2"
    move = versions.moves(client, NAME)[-1]
    assert (move.why, move.before, move.version) == ("forced", "1", "2")
    assert move.note.startswith("forced though it is not better")


def test_a_better_challenger_takes_over_by_a_margin(client: Client) -> None:
    client.set_registered_model_alias(NAME, "champion", "2")
    refused = promoted(client, "1", margin_minutes=20.0)
    assert "not better by more than 20 minutes" in refused.reasons[0]
    assert promoted(client, "1", margin_minutes=0.5).promoted
    assert champion(client) == "1"


def test_other_data_can_be_named(client: Client) -> None:
    refused = promoted(client, validate=["synthetic:2000:8"])
    assert refused.validated_on == "synthetic:2000:8"
    assert refused.verdict.rides > 1_000


def test_neither_is_compared_on_what_it_was_trained_on(client: Client) -> None:
    with pytest.raises(UserError, match="version 2 was trained on synthetic:3000:4"):
        promoted(client, validate=[registered.DATA])
    other = registered.trained("synthetic:1000:7", validate=["synthetic:3000:4"], alias="other")
    with pytest.raises(UserError, match=r"version 1 was trained on .* promote with --force"):
        promoted(client, other.version)
    assert promoted(client, other.version, force=True).forced


def test_a_course_model_is_compared_on_what_the_function_scores(
    client: Client, tmp_path: Path
) -> None:
    columns = trip_files.columns(1_500, seed=12)
    columns["trip_distance"][:10] = 300.0
    trip_files.write(path := tmp_path / "trips.parquet", columns)
    course = datasets.read(["synthetic:3000:11"], [str(path)], "course")
    version = train(course, NAME, "course", BOOSTED, registered.SMALL, 0, Steps(quiet=True)).version
    assert promoted(client, version).verdict.rides == 1_490
    held_out = datasets.read(["synthetic:3000:11"], (), "course")
    version = train(
        held_out, NAME, "course", BOOSTED, registered.SMALL, 0, Steps(quiet=True)
    ).version
    with pytest.raises(UserError, match="out rides that the function rejects"):
        promoted(client, version)


def test_data_that_changed_since_are_not_compared_on(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "trips.parquet"
    trip_files.write(path, trip_files.columns(1_000, seed=5))
    version = registered.trained(str(path), alias="file").version
    trip_files.write(path, trip_files.columns(1_000, seed=6))
    with pytest.raises(UserError, match=r"trips\.parquet has changed since"):
        promoted(client, version)


def test_what_does_not_compile_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise NotCompilable("it has a step that nobody knows")

    client.delete_registered_model_alias(NAME, "champion")
    version = registered.trained("synthetic:1000:2", alias="uncompiled").version
    monkeypatch.setattr("training.registry.model_directory.compile_checked", refuse)
    assert promoted(client, version).reasons == [
        "it is not compiled: it has a step that nobody knows"
    ]


def test_what_the_function_scores_otherwise_is_refused(client: Client) -> None:
    client.delete_registered_model_alias(NAME, "champion")
    lying = registered.trained("synthetic:3000:3", alias="lying")
    rows = artifacts.golden_rows(versions.by_number(client, NAME, lying.version))
    rows[3] = msgspec.structs.replace(rows[3], predicted=rows[3].predicted + 1)
    client.log_text(lying.run_id, msgspec.json.encode(rows).decode(), artifacts.GOLDEN_ROWS)
    (reason,) = promoted(client, lying.version).reasons
    assert "for the golden row 3, where the model gave" in reason


def test_the_champion_is_no_challenger(client: Client) -> None:
    with pytest.raises(UserError, match="version 1 is champion already"):
        promoted(client, "1")


def test_of_two_promotions_at_once_the_later_one_is_told(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.set_registered_model_alias(NAME, "champion", "2")

    def another_is_first(*_: object) -> None:
        client.set_registered_model_alias(NAME, "champion", "3")

    monkeypatch.setattr("training.promote.dry_run", another_is_first)
    with pytest.raises(UserError, match="champion moved to version 3 while version 1 was compared"):
        promoted(client, "1")
    assert champion(client) == "3"


def test_a_rollback_brings_store_and_registry_back(client: Client, aws: boto3.Session) -> None:
    s3 = aws.client("s3")
    publish(client, s3, "models", NAME, "champion")
    promoted(client, force=True)
    published = publish(client, s3, "models", NAME, "champion")
    assert (published.version, published.previous) == ("2", "1")
    done = roll_back(s3, "models", NAME, "champion")
    follow(client, done)
    assert (done.rolled_back, done.version) == ("2", "1")
    assert champion(client) == "1"
    told = [
        (entry.where, entry.before, entry.version, entry.why)
        for entry in history.history(client, store_bucket(s3, "models"), NAME)
        if entry.alias == "champion"
    ]
    assert told[-5:] == [
        ("store", None, "1", "publish"),
        ("registry", "1", "2", "forced"),
        ("store", "1", "2", "publish"),
        ("store", "2", "1", "rollback"),
        ("registry", "2", "1", "rollback"),
    ]


def test_a_registry_that_has_another_version_of_the_number_does_not_follow(
    client: Client, aws: boto3.Session
) -> None:
    s3 = aws.client("s3")
    publish(client, s3, "models", NAME, "champion")
    client.set_registered_model_alias(NAME, "champion", "2")
    publish(client, s3, "models", NAME, "champion")
    foreign = msgspec.structs.replace(roll_back(s3, "models", NAME, "champion"), run_id="another")
    with pytest.raises(UserError, match="version 1 of ride-duration is another model"):
        follow(client, foreign)
    assert champion(client) == "2"


def prediction(model: TrainedModel, minutes: float | None = None) -> Prediction:
    """As the function writes it, of a golden row."""
    version = versions.by_number(tracking.client(), NAME, model.version)
    row = artifacts.golden_rows(version)[5]
    said = max(row.predicted, 0.0) if minutes is None else minutes
    now = datetime.now(UTC)
    return Prediction(
        *(NAME, model.version, RideDuration(said, 7), "shard:1", model.run_id, "champion"),
        *(row.input, now, now),
    )


def test_a_prediction_leads_to_its_data_and_its_code(
    client: Client, models: dict[str, TrainedModel]
) -> None:
    text = msgspec.json.encode(prediction(models["good"])).decode()
    traced = trace.trace(client, trace.decode(text))
    assert (traced.name, traced.version, traced.run_id) == (NAME, "1", models["good"].run_id)
    assert traced.aliases == ["champion"]
    (report,) = traced.lineage.train
    assert (report.source, report.rows) == (registered.DATA, 3_000)
    assert traced.git_commit
    assert traced.reproduced
    assert traced.metrics["rmse_minutes"] == models["good"].rmse_minutes


def test_a_prediction_that_the_version_does_not_give_is_found_out(
    client: Client, models: dict[str, TrainedModel]
) -> None:
    traced = trace.trace(client, prediction(models["good"], minutes=3.0))
    assert not traced.reproduced
    assert traced.scored_again_minutes != 3.0


def test_a_prediction_of_another_registry_is_said(
    client: Client, models: dict[str, TrainedModel]
) -> None:
    foreign = msgspec.structs.replace(prediction(models["good"]), run_id="another")
    with pytest.raises(UserError, match="of run another: it was made by a model of another"):
        trace.trace(client, foreign)
    unknown = msgspec.structs.replace(foreign, version="99")
    with pytest.raises(UserError, match="no version 99"):
        trace.trace(client, unknown)
    with pytest.raises(UserError, match="this is not a prediction"):
        trace.decode('{"model": "ride-duration"}')


def test_an_event_id_is_looked_for_in_the_stream(
    models: dict[str, TrainedModel], aws: boto3.Session
) -> None:
    kinesis = aws.client("kinesis")
    wanted = prediction(models["good"])
    damaged = (b"no prediction", b"\xff\xfe", b'{"model": "\xff"}', b"[" * 5_000)
    packed = kpl.pack([("7", b"\xff"), ("7", msgspec.json.encode(wanted))], "7")
    for data in (*damaged, kpl.MAGIC, packed):
        kinesis.put_record(StreamName="ride-predictions", Data=data, PartitionKey="7")
    assert trace.given("shard:1", PREDICTIONS, 20.0) == wanted
    with pytest.raises(UserError, match="no prediction of shard:2 was found in ride-predictions"):
        trace.given("shard:2", PREDICTIONS, 1.0)
    with pytest.raises(UserError, match="name it with --stream"):
        trace.given("shard:2", trace.Where(), 1.0)


def test_a_prediction_is_looked_for_from_when_its_event_arrived(
    models: dict[str, TrainedModel], aws: boto3.Session
) -> None:
    """A week of predictions may lie before it, in which nothing can be of this event."""
    kinesis = aws.client("kinesis")
    first = kinesis.put_record(StreamName="ride-events", Data=b"{}", PartitionKey="7")
    event_id = f"{first['ShardId']}:{int(first['SequenceNumber']) + 1}"

    def put(minutes: float) -> Prediction:
        made = prediction(models["good"], minutes=minutes)
        named = msgspec.structs.replace(made, event_id=f"{event_id}:3")
        data = msgspec.json.encode(named)
        kinesis.put_record(StreamName="ride-predictions", Data=data, PartitionKey="7")
        return named

    put(99.0)
    time.sleep(2.1)  # one before, by a clock that counts in seconds
    taken = kinesis.put_record(StreamName="ride-events", Data=b"{}", PartitionKey="7")
    assert event_id == f"{taken['ShardId']}:{taken['SequenceNumber']}"
    wanted = put(12.0)
    where = trace.Where("ride-predictions", "ride-events")
    assert trace.given(wanted.event_id, where, 20.0) == wanted
    assert trace.given(wanted.event_id, PREDICTIONS, 20.0) != wanted


@pytest.mark.parametrize(
    "text",
    ["[]", '[{"model": "a"}]', '"shard:1"', "ride 7", "", "\ufeff", "nonsense", "a:b", "\udcff"],
)
def test_what_is_no_prediction_and_no_id_is_not_looked_for(text: str) -> None:
    with pytest.raises(UserError, match="neither one prediction as the function writes it nor"):
        trace.given(text, PREDICTIONS, 20.0)


@pytest.mark.parametrize(
    "read",
    [lambda text: text, lambda text: b"\xef\xbb\xbf" + text, lambda text: b"\n " + text + b"\r\n"],
)
def test_a_prediction_is_read_from_standard_input_as_editors_write_it(
    models: dict[str, TrainedModel],
    monkeypatch: pytest.MonkeyPatch,
    read: Callable[[bytes], bytes],
) -> None:
    wanted = prediction(models["good"])
    stream = io.TextIOWrapper(io.BytesIO(read(msgspec.json.encode(wanted))), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", stream)
    assert trace.given("-", trace.Where(), 20.0) == wanted


def test_standard_input_that_is_closed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match="standard input is closed: give a prediction"):
        trace.given("-", trace.Where(), 20.0)


def test_standard_input_that_is_no_text_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"model": "\xff"}'), encoding="utf-8")
    )
    with pytest.raises(UserError, match="this is not a prediction"):
        trace.given("-", trace.Where(), 20.0)


def test_the_champions_prediction_is_traced_before_a_shadows(
    models: dict[str, TrainedModel], aws: boto3.Session
) -> None:
    kinesis = aws.client("kinesis")
    served = prediction(models["good"])
    shadow = msgspec.structs.replace(served, role="shadow", version="2")
    alone = msgspec.structs.replace(shadow, event_id="shard:9")
    for said in (shadow, served, alone):
        data = msgspec.json.encode(said)
        kinesis.put_record(StreamName="ride-predictions", Data=data, PartitionKey="7")
    assert trace.given("shard:1", PREDICTIONS, 20.0) == served
    assert trace.given("shard:9", PREDICTIONS, 3.0) == alone


def test_a_version_is_not_measured_on_what_it_was_trained_on(client: Client) -> None:
    with pytest.raises(UserError, match="version 1 was trained on synthetic:3000:4"):
        evaluate(client, NAME, "champion", [registered.DATA], seed=0)


def test_a_version_is_measured_on_any_data_in_a_run_of_its_own(
    client: Client, models: dict[str, TrainedModel]
) -> None:
    found = evaluate(client, NAME, "champion", ["synthetic:2000:8"], seed=0)
    run = client.get_run(found.run_id)
    assert run.data.tags["mlflow.parentRunId"] == models["good"].run_id
    assert run.data.metrics["rmse_minutes"] == found.evaluation.metrics.rmse_minutes
    assert run.data.params["validate"] == "synthetic:2000:8"
    files = {file.path for file in client.list_artifacts(found.run_id)}
    assert {"evaluation.json", "figures"} <= files


def test_what_a_version_was_measured_on_gives_the_same_numbers_again(
    client: Client, models: dict[str, TrainedModel]
) -> None:
    found = evaluate(client, NAME, "champion", (), seed=0)
    assert found.evaluation.metrics.rmse_minutes == pytest.approx(models["good"].rmse_minutes)
