"""The life of one version, from trips on a server to a model in the store, with Prefect or not."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import boto3
import msgspec
import numpy as np
import pytest

from infra.common.console import UserError
from infra.common.paths import ROOT
from ride_scoring.models.store import AliasPointer, pointer_key
from tests import registered, trip_files
from tests.registered import NAME
from tests.trip_server import HOST, TripServer
from training import cli, cycle, flow_settings, tracking
from training.cycle import Cycle, CyclePlan
from training.models import DEFAULT_KIND
from training.provenance import provenance
from training.store.bucket import store_bucket
from training.store.pointers import Pointer
from training.train import TrainedModel
from trips.data import download
from trips.profile import drawn

# MLflow and Prefect are warned by newer libraries of what is their own to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.thorough]


def month(number: int) -> bytes:
    """A parquet file of what a made-up city rode in a month of 2023."""
    made = drawn.synthetic(2_000, seed=number)
    pickup = made.pickup - made.pickup.min() + np.datetime64(f"2023-{number:02}-01")
    table = {
        "lpep_pickup_datetime": pickup.astype("datetime64[us]"),
        "lpep_dropoff_datetime": pickup.astype("datetime64[us]")
        + (made.duration_minutes * 60e6).astype("timedelta64[us]"),
        "PULocationID": made.pickup_zone,
        "DOLocationID": made.dropoff_zone,
        "trip_distance": made.distance_miles,
    }
    return trip_files.parquet(table)


@pytest.fixture(scope="module")
def months() -> Mapping[str, bytes]:
    return {f"green_tripdata_2023-0{number}.parquet": month(number) for number in (1, 2)}


@pytest.fixture
def server(
    months: Mapping[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TripServer]:
    with TripServer(months) as server:
        monkeypatch.setenv("NO_PROXY", HOST)
        monkeypatch.setenv("TRIP_DATA_URL", server.url)
        monkeypatch.setenv("TRIP_DATA_DIR", str(tmp_path / "data"))
        yield server


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[None]:
    with registered.registry(tmp_path):
        yield


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The flow on a database of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in flow_settings.SETTINGS.items():
            patch.setenv(name, value)
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        from prefect.testing.utilities import (  # noqa: PLC0415 - the settings come first
            prefect_test_harness,
        )

        from training import flow  # noqa: PLC0415 - likewise

        with prefect_test_harness(server_startup_timeout=600):  # the machine may be busy
            yield flow


def plan(bucket: str | None = "models", seed: int = 0) -> CyclePlan:
    found = cycle.of_month("2023-02", NAME, DEFAULT_KIND, "champion", bucket, seed)
    return msgspec.structs.replace(found, hyperparameters=msgspec.to_builtins(registered.SMALL))


def served(aws: boto3.Session, bucket: str = "models") -> str:
    """The version that the store's pointer names."""
    key = pointer_key(NAME, "champion")
    body = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return msgspec.json.decode(body, type=AliasPointer).version


def assert_whole(done: Cycle, aws: boto3.Session, bucket: str) -> None:
    assert [report.source for report in done.data] == ["green/2023-01", "green/2023-02"]
    assert done.trained.validated_on == "green/2023-02"
    assert done.evaluated.version == done.trained.version
    assert done.promotion.promoted, done.promotion.reasons
    assert done.published is not None
    assert done.published.compiled
    assert served(aws, bucket) == done.trained.version == "1"
    assert str(done) == f"{NAME} version 1 is champion; version 1 is published to s3://{bucket}"


@pytest.mark.usefixtures("registry", "server")
def test_a_month_trains_and_the_next_one_lets_it_serve(aws: boto3.Session) -> None:
    assert_whole(cycle.run(plan()), aws, "models")


@pytest.mark.usefixtures("registry", "server")
def test_a_version_that_is_no_better_is_not_published(aws: boto3.Session) -> None:
    refused = cycle.run(msgspec.structs.replace(plan(), margin_minutes=60.0))
    assert refused.published is None
    assert str(refused).startswith(f"{NAME} version 1 is not promoted: it is not better")
    assert aws.client("s3").list_objects_v2(Bucket="models")["KeyCount"] == 0


@pytest.mark.usefixtures("registry", "server")
def test_a_champion_that_could_not_be_published_is_the_next_time(aws: boto3.Session) -> None:
    with pytest.raises(UserError, match="bucket later does not exist"):
        cycle.run(plan("later"))
    aws.client("s3").create_bucket(Bucket="later")
    again = cycle.run(plan("later"))
    assert not again.promotion.promoted  # it is as good as the champion, which is the same
    assert served(aws, "later") == "1"
    assert "is not promoted" in str(again)
    assert "version 1 is published to s3://later" in str(again)


@pytest.mark.usefixtures("registry", "server")
def test_a_champion_that_was_taken_back_is_not_published_again(aws: boto3.Session) -> None:
    pointer = Pointer(store_bucket(aws.client("s3"), "models"), NAME, "champion")
    pointer.move("0", "0" * 64, "publish")
    assert cycle.run(plan()).published is not None
    Pointer(store_bucket(aws.client("s3"), "models"), NAME, "champion").move(
        "0", "0" * 64, "rollback"
    )
    assert cycle.publish_model(plan()) is None
    assert served(aws, "models") == "0"


@pytest.mark.usefixtures("registry", "server")
def test_a_flow_goes_on_where_it_failed(
    flow: ModuleType, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = provenance()
    monkeypatch.setattr(flow, "provenance", lambda: here)  # somebody may commit meanwhile
    with pytest.raises(UserError, match="bucket another does not exist"):
        flow.run(plan("another"))
    aws.client("s3").create_bucket(Bucket="later")
    done = flow.run(plan("later"))
    assert_whole(done, aws, "later")
    client = tracking.client()
    (version,) = client.search_model_versions(f"name = '{NAME}'")
    experiment = client.get_run(str(version.run_id)).info.experiment_id
    assert len(client.search_runs([experiment])) == 2  # one that trained, and one that evaluated
    assert flow.run(plan("later")) == msgspec.structs.replace(done, published=None)


@pytest.mark.parametrize(
    ("changes", "digests", "database", "known", "trainings"),
    [
        ({}, "a", "m.db", True, 0),
        ({"model_bucket": "another", "margin_minutes": 1.0}, "a", "m.db", True, 0),
        ({"seed": 1}, "a", "m.db", True, 1),
        ({"name": "another"}, "a", "m.db", True, 1),
        ({"hyperparameters": msgspec.to_builtins(registered.WORSE)}, "a", "m.db", True, 1),
        ({"kind": "mean"}, "a", "m.db", True, 1),
        ({}, "b", "m.db", True, 1),
        ({}, "a", "n.db", True, 1),
        ({}, "a", "m.db", False, 1),
    ],
)
def test_what_was_trained_is_trained_again_only_of_something_else(
    flow: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    changes: dict[str, object],
    digests: str,
    database: str,
    known: bool,  # noqa: FBT001 - a table's column
    trainings: int,
) -> None:
    here = provenance()
    monkeypatch.setattr(flow, "provenance", lambda: here)
    monkeypatch.setattr(cycle, "is_registered", lambda trained: known or trained.version != "1")
    made: list[CyclePlan] = []

    def train(plan: CyclePlan) -> TrainedModel:
        made.append(plan)
        return TrainedModel(NAME, str(len(made)), "run-7", 1, "data", 1, 5.0, 4.0)

    monkeypatch.setattr(cycle, "train_model", train)
    for planned, data, kept_in in (
        (plan(), "a", "m.db"),
        (msgspec.structs.replace(plan(), **changes), digests, database),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/{kept_in}")
        flow._trained(flow._plain(planned), [data])
    assert len(made) == 1 + trainings


@pytest.mark.usefixtures("registry")
def test_a_fetch_that_is_cut_off_is_tried_again(
    flow: ModuleType,
    server: TripServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(download, "_ATTEMPTS", 1)
    server.cuts = [70_000]
    flow.fetch_data.with_options(retry_delay_seconds=0.01)("green/2023-01")
    assert [asked.get("Range") for asked in server.asked] == [None, "bytes=65536-"]
    assert "fetch_data is tried again: " in capfd.readouterr().err


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (download.Unreachable("away"), True),
        (UserError("wrong"), False),
        (ValueError("a bug"), False),
    ],
)
def test_only_trouble_of_the_network_may_pass(
    flow: ModuleType,
    error: Exception,
    passes: bool,  # noqa: FBT001 - a table's column
) -> None:
    from prefect.states import Failed  # noqa: PLC0415 - after its settings

    assert flow._may_pass(flow.fetch_data, None, Failed(data=error)) is passes


@pytest.mark.usefixtures("registry", "flow")
@pytest.mark.parametrize("options", [[], ["--prefect"]])
def test_a_month_that_is_not_published_is_said_in_one_sentence(
    server: TripServer, capfd: pytest.CaptureFixture[str], options: list[str]
) -> None:
    del server.files["green_tripdata_2023-02.parquet"]
    with pytest.raises(UserError, match=r"^TLC has no green trips of 2023-02 at [^\n]*$"):
        cli.app(["run", "2023-02", *options], standalone_mode=False)
    assert capfd.readouterr() == ("", "")
    assert len(server.asked) == 2


def test_a_schedule_of_no_times_is_refused(flow: ModuleType) -> None:
    with pytest.raises(UserError, match="--cron 'sometimes' is no cron expression"):
        flow.schedule("sometimes", NAME, DEFAULT_KIND, "champion", None, 0)


@pytest.mark.usefixtures("flow")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_schedule_is_stopped_without_a_traceback(number: signal.Signals) -> None:
    from prefect.settings import get_current_settings  # noqa: PLC0415 - after its settings

    command = [sys.executable, "-m", "training", "schedule", "--cron", "0 6 5 * *"]
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "is trained at '0 6 5 * *' (UTC), as http" in process.stderr.readline()
        _await_deployment(f"{NAME} 0 6 5 * *")
        process.send_signal(number)
        assert process.wait(300) == 130
        assert process.stderr.read() == "error: stopped\n"


def _await_deployment(name: str) -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - after its settings

    deadline = time.monotonic() + 300
    with get_client(sync_client=True) as client:
        while not any(
            found.name == name and not found.paused for found in client.read_deployments()
        ):
            assert time.monotonic() < deadline, "nothing is scheduled"
            time.sleep(0.1)


@pytest.mark.parametrize("arguments", [["run", "2023-02", "--prefect"], ["schedule"]])
def test_without_prefect_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(flow_settings, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="Prefect is not installed: install the extra `flow`"):
        cli.app(arguments, standalone_mode=False)


@pytest.mark.parametrize(
    ("today", "newest"),
    [("2023-03-31", "2023-01"), ("2023-02-01", "2022-12"), ("2023-01-15", "2022-11")],
)
def test_the_newest_month_is_two_months_back(today: str, newest: str) -> None:
    assert cycle.newest_month(dt.date.fromisoformat(today)) == newest


def test_the_cycle_does_not_load_prefect() -> None:
    code = "import sys, training.cycle; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
