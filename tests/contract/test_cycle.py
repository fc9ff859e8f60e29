"""The life of one version, from trips on a server to a model in the store: plain, and by Prefect."""

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import boto3
import msgspec
import numpy as np
import pytest
from mlflow import MlflowClient

from infra.console import UserError
from infra.paths import ROOT
from ride_scoring.model_store import AliasPointer, pointer_key
from stream_sim import trips
from tests import registered, trip_files
from tests.registered import NAME
from tests.trip_server import HOST, TripServer
from training import cli, cycle, flow_settings, tracking
from training.cycle import Cycle, Plan
from training.data import download

# MLflow and Prefect are warned by newer libraries of what is their own to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


def month(number: int) -> bytes:
    """A parquet file of what a made-up city rode in a month of 2023."""
    made = trips.synthetic(2_000, seed=number)
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

        with prefect_test_harness():
            yield flow


def plan(bucket: str | None = "models", seed: int = 0) -> Plan:
    found = cycle.of_month("2023-02", NAME, bucket, seed)
    return msgspec.structs.replace(found, hyperparameters=registered.SMALL)


def served(aws: boto3.Session, bucket: str = "models") -> str:
    """The version that the store's pointer names."""
    key = pointer_key(NAME, "champion")
    body = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return msgspec.json.decode(body, type=AliasPointer).version


def versions(client: MlflowClient) -> list[str]:
    return [str(found.version) for found in client.search_model_versions(f"name = '{NAME}'")]


def assert_whole(done: Cycle, aws: boto3.Session, bucket: str) -> None:
    assert [report.source for report in done.data] == ["green/2023-01", "green/2023-02"]
    assert done.trained.validated_on == "green/2023-02"
    assert done.evaluated.version == done.trained.version
    assert done.promotion.promoted, done.promotion.reasons
    assert done.published is not None
    assert done.published.compiled
    assert served(aws, bucket) == done.trained.version == "1"
    assert str(done) == f"{NAME} version 1 is champion, published to s3://{bucket}"


@pytest.mark.usefixtures("registry", "server")
def test_a_month_trains_and_the_next_one_lets_it_serve(aws: boto3.Session) -> None:
    done = cycle.run(plan())
    assert_whole(done, aws, "models")
    with pytest.raises(UserError, match="no better|is not"):
        raise UserError(str(cycle.run(plan(seed=1))))


@pytest.mark.usefixtures("registry", "server")
def test_a_flow_goes_on_where_it_failed(flow: ModuleType, aws: boto3.Session) -> None:
    with pytest.raises(UserError, match="bucket later is not there"):
        flow.run(plan("later"))
    with pytest.raises(UserError, match="bucket another is not there"):
        flow.run(plan("another"))
    aws.client("s3").create_bucket(Bucket="later")
    done = flow.run(plan("later"))
    assert_whole(done, aws, "later")
    client = tracking.client()
    assert versions(client) == ["1"]
    assert len(client.search_runs([client.get_run(done.trained.run_id).info.experiment_id])) == 2
    assert flow.run(plan("later")) == done

    assert flow.run(plan("later", seed=1)).trained.version == "2"
    client.delete_registered_model(NAME)
    assert flow.run(plan("later")).trained.run_id != done.trained.run_id


@pytest.mark.usefixtures("registry")
def test_a_fetch_that_is_cut_off_is_tried_again(
    flow: ModuleType,
    server: TripServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(download, "_ATTEMPTS", 1)
    server.cuts = [1_000]
    flow.fetch_data.with_options(retry_delay_seconds=0.01)("green/2023-01")
    assert [asked.get("Range") for asked in server.asked] == [None, "bytes=1000-"]
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
    flow: ModuleType, error: Exception, passes: bool
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
    with pytest.raises(UserError, match="--cron 'sometimes' names no times"):
        flow.schedule("sometimes", NAME, None, 0)


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
        assert "is trained at '0 6 5 * *' (UTC)" in process.stderr.readline()
        process.send_signal(number)
        assert process.wait(20) == 130
        assert process.stderr.read() == "error: stopped\n"


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
