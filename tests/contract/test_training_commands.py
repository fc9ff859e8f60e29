"""Every command of the training's command line, one after the other, as a person gives them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from infra.common.console import UserError
from ride_scoring.domain.events import Prediction, RideDuration
from tests import registered, trip_files
from tests.trip_server import HOST, TripServer
from training import cli, tracking
from training.registry import artifacts, versions

# MLflow is warned by newer pandas and SQLAlchemy of what is its own to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.thorough]

JANUARY = "green_tripdata_2023-01.parquet"


@pytest.fixture(autouse=True)
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A mirror of one month, a folder for it, and a registry of one's own."""
    trips = trip_files.parquet(trip_files.columns(400))
    with TripServer({JANUARY: trips}) as server, registered.registry(tmp_path):
        monkeypatch.setenv("NO_PROXY", HOST)
        monkeypatch.setenv("TRIP_DATA_URL", server.url)
        monkeypatch.setenv("TRIP_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("MODEL_BUCKET", "models")
        yield


def said(*arguments: str) -> str:
    """What a command that succeeds prints on standard output."""
    done = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def told(*arguments: str) -> Any:
    return json.loads(said(*arguments, "--json"))


def refused(*arguments: str) -> str:
    """What a command that a user must mend is ended with."""
    try:
        done = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    except UserError as error:
        return str(error)
    assert done.exit_code == 1, done.output
    return done.stderr


def test_data_are_fetched_and_reported_on(tmp_path: Path) -> None:
    assert "green/2023-01: 400 trips" in said("data", "fetch", "2023-01")
    assert (tmp_path / "data" / JANUARY).exists()
    (report,) = told("data", "report", "2023-01")
    assert (report["source"], report["rows"], report["kept"]) == ("green/2023-01", 400, 400)
    assert "400 of 400 trips kept" in said("data", "report", "2023-01")
    assert "TLC has no green trips of 2023-02" in refused("data", "fetch", "2023-02")


def test_what_the_rules_leave_nothing_of_is_reported_on_too(tmp_path: Path) -> None:
    far = trip_files.columns(50) | {"trip_distance": [500.0] * 50}
    path = trip_files.write(tmp_path / "far.parquet", far)
    (report,) = told("data", "report", str(path))
    assert (report["rows"], report["kept"]) == (50, 0)
    assert report["rules"][3]["dropped"] == 50
    assert "50 have a distance outside" in refused("train", str(path))


def test_models_are_compared(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    both = ("--train", "synthetic:600:1", "--validate", "synthetic:400:2", "--page", str(page))
    compared = told("compare", *both, "--course")
    assert len(compared["models"]) == 4
    assert compared["models"][1].keys() >= {"name", "rmse_minutes", "mae_minutes", "rides"}
    assert page.exists()
    assert "boosted trees" in said("compare", *both)


@pytest.mark.usefixtures("aws")
def test_a_model_lives(tmp_path: Path) -> None:
    best = tmp_path / "best.json"
    both = ("--train", "synthetic:600:1", "--validate", "synthetic:400:2")
    assert told("search", *both, "--trials", "2", "--out", str(best))["trials"] == 2
    first = told("train", "synthetic:4000:1", "--hyperparameters", str(best))
    assert (first["version"], first["name"]) == ("1", registered.NAME)
    evaluated = told("evaluate", "--validate", "synthetic:2000:9")
    assert evaluated["evaluation"]["metrics"]["rides"] > 1_000
    assert "pickup borough" in said("evaluate")
    assert "version 1 is champion, the first" in said("promote")
    assert told("publish")["version"] == "1"

    said("train", "synthetic:400:2")
    refusal = refused("promote", "--validate", "synthetic:2000:9")
    assert "version 2 is not promoted: it is not better beyond the noise" in refusal
    forced = told("promote", "--validate", "synthetic:2000:9", "--force")
    assert (forced["promoted"], forced["forced"]) == (True, True)
    assert "version 2 is champion" in said("publish")

    back = said("rollback")
    assert "version 1 is champion again in s3://models, in place of version 2" in back
    assert "there is nothing to go back to" in refused("rollback")
    history = told("history")
    assert [move["why"] for move in history if move["alias"] == "champion"] == [
        *("promote", "publish", "forced", "publish", "rollback", "rollback"),
    ]
    assert "forced though it is not better" in said("history")

    prediction = of_version("1")
    traced = told("trace", prediction)
    assert (traced["version"], traced["reproduced"]) == ("1", True)
    assert "synthetic:4000:1" in said("trace", prediction)
    other = prediction.replace('"ride_duration":', '"ride_duration":1')
    assert "minutes for this ride; the prediction was" in refused("trace", other)


def of_version(number: str) -> str:
    """A prediction as the function writes it."""
    version = versions.by_number(tracking.client(), registered.NAME, number)
    row = artifacts.golden_rows(version)[0]
    now = datetime.now(UTC)
    prediction = Prediction(
        model=registered.NAME,
        version=number,
        prediction=RideDuration(row.predicted, 7),
        event_id="shard:1",
        run_id=str(version.run_id),
        role="champion",
        ride=row.input,
        arrived_at=now,
        scored_at=now,
    )
    return msgspec.json.encode(prediction).decode()


@pytest.mark.usefixtures("aws")
def test_a_bucket_that_is_not_there_loses_nothing() -> None:
    said("train", "synthetic:4000:1")
    said("promote")
    assert "bucket nowhere does not exist" in refused("publish", "--model-bucket", "nowhere")
    assert "bucket nowhere does not exist" in refused("rollback", "--model-bucket", "nowhere")
    assert "bucket nowhere does not exist" in refused("history", "--model-bucket", "nowhere")
    assert told("publish")["version"] == "1"
