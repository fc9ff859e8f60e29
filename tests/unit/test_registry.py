"""Aliases of the registry: who moved them, and two who move one at once."""

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from infra.common.console import UserError, without_password
from training import tracking
from training.registry import versions

# MLflow is warned by newer pandas and SQLAlchemy of what is its own to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

NAME = "ride-duration"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry") / "mlflow.db"


@pytest.fixture
def client(database: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    found = tracking.client()
    for model in found.search_registered_models():
        found.delete_registered_model(model.name)
    found.create_registered_model(NAME)
    return found


def registered(client: MlflowClient) -> ModelVersion:
    return client.create_model_version(NAME, source="runs:/0/model")


def test_each_move_of_an_alias_is_known(client: MlflowClient) -> None:
    first, second = registered(client), registered(client)
    versions.move_alias(client, first, "champion", "train")
    versions.move_alias(client, second, "champion", "forced", "no better")
    versions.move_alias(client, first, "champion", "rollback")
    moves = versions.moves(client, NAME)
    assert [(move.before, move.version, move.why, move.note) for move in moves] == [
        (None, "1", "train", ""),
        ("1", "2", "forced", "no better"),
        ("2", "1", "rollback", ""),
    ]
    assert all("@" in move.by for move in moves)
    assert versions.number(versions.by_alias(client, NAME, "champion")) == "1"


def test_an_alias_that_moved_since_is_not_moved_over(client: MlflowClient) -> None:
    first, second, third = (registered(client) for _ in range(3))
    versions.move_alias(client, first, "champion", "train")
    versions.move_alias_from(client, first, second, "champion", "promote", "")
    with pytest.raises(UserError, match="moved to version 2 while version 3 was compared with"):
        versions.move_alias_from(client, first, third, "champion", "promote", "")
    with pytest.raises(UserError, match="while version 3 was compared with none"):
        versions.move_alias_from(client, None, third, "champion", "promote", "")
    assert client.get_registered_model(NAME).tags == {}


def test_of_many_who_move_an_alias_at_once_one_does_at_most(client: MlflowClient) -> None:
    challengers = [registered(client) for _ in range(6)]
    barrier = threading.Barrier(len(challengers))
    refused = []

    def promote(version: ModelVersion) -> None:
        barrier.wait()
        try:
            versions.move_alias_from(client, None, version, "champion", "promote", "")
        except UserError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=promote, args=[version]) for version in challengers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moved = versions.moves(client, NAME)
    assert len(moved) <= 1
    assert len(moved) + len(refused) == len(challengers)
    assert client.get_registered_model(NAME).tags == {}


def test_a_claim_of_a_process_that_was_killed_is_forgotten(client: MlflowClient) -> None:
    version = registered(client)
    for age, refused in ((timedelta(), True), (timedelta(minutes=2), False)):
        claimed_at = (datetime.now(UTC) - age).isoformat()
        client.set_registered_model_tag(NAME, "alias_claim.champion.killed", claimed_at)
        if refused:
            with pytest.raises(UserError, match="somebody else moves champion"):
                versions.move_alias_from(client, None, version, "champion", "promote", "")
    versions.move_alias_from(client, None, version, "champion", "promote", "")
    assert client.get_registered_model(NAME).tags == {}


def test_an_alias_that_did_not_move_is_in_no_history(client: MlflowClient) -> None:
    version = registered(client)
    with pytest.raises(UserError, match="Invalid alias name"):
        versions.move_alias(client, version, "a b", "train")
    assert versions.moves(client, NAME) == []


@pytest.mark.parametrize(
    ("name", "alias"),
    [("a/b", "challenger"), ("", "challenger"), (NAME, "a b"), (NAME, "v3"), (NAME, "12")],
)
def test_names_that_the_registry_does_not_take_are_refused_before_anything_is_done(
    name: str, alias: str
) -> None:
    with pytest.raises(UserError, match="name another"):
        versions.require_names(name, alias)


def test_a_claim_that_others_may_take_for_a_dead_one_moves_nothing(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registered(client)
    monkeypatch.setattr(versions, "_CLAIM_LASTS", timedelta(0))
    with pytest.raises(UserError, match="the registry is too slow"):
        versions.move_alias_from(client, None, version, "champion", "promote", "")
    assert versions.find_alias(client, NAME, "champion") is None


def test_a_version_that_was_never_registered_is_named(client: MlflowClient) -> None:
    with pytest.raises(UserError, match="no version 99 of a model 'ride-duration'"):
        versions.chosen(client, NAME, "99")
    with pytest.raises(UserError, match=r"no alias 'challenger' .* training train"):
        versions.chosen(client, NAME, "challenger")
    with pytest.raises(UserError, match="no version 1 of a model 'another'"):
        versions.by_number(client, "another", "1")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("sqlite:////nowhere/mlflow.db", "No such file or directory"),
        ("postgresql://me:secret@127.0.0.1:9/mlflow", "refused"),
        ("http://me:secret@127.0.0.1:9", "API request"),
        ("http://[bad", "cannot be used"),
        ("wrong://place", "unsupported URI"),
    ],
)
def test_a_registry_that_is_away_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, uri: str, complaint: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError, match=complaint) as raised:
        tracking.client()
    said = str(raised.value)
    assert "MLFLOW_TRACKING_URI" in said
    assert "\n" not in said
    assert "secret" not in said


def test_a_relative_path_of_a_registry_is_one_from_where_the_command_is_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert tracking.uri() == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://me:secret@host/x failed", "http://host/x failed"),
        ("http://me:se/cret@host/x", "http://host/x"),
        ("me:secret@host/x", "host/x"),
        ("postgresql://host/x?user=me&password=secret", "postgresql://host/x?user=me&password=…"),
        ("models:/ride-duration@champion", "models:/ride-duration@champion"),
    ],
)
def test_a_password_is_taken_out_of_what_is_told(text: str, told: str) -> None:
    assert without_password(text) == told


_OPEN = "from training import tracking; tracking.client(); print('open')"


@pytest.mark.thorough
def test_a_database_whose_making_was_stopped_is_made_again(tmp_path: Path) -> None:
    """At any moment: MLflow itself cannot go on with some of its tables."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    begun = subprocess.Popen([sys.executable, "-c", _OPEN], env=environment)
    while begun.poll() is None and not (tmp_path / "mlflow.db.new").exists():
        time.sleep(0.01)
    begun.kill()
    begun.wait()
    said = subprocess.check_output([sys.executable, "-c", _OPEN], env=environment, text=True)
    assert said == "open\n"


@pytest.mark.thorough
def test_two_commands_at_once_make_one_database(tmp_path: Path) -> None:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    both = [subprocess.Popen([sys.executable, "-c", _OPEN], env=environment) for _ in range(2)]
    assert [process.wait(600) for process in both] == [0, 0]
