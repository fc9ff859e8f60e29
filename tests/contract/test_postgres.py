"""The registry on a real PostgreSQL: a version's life, and two who move an alias at once."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from infra.common.console import UserError
from infra.common.steps import Steps
from tests import registered
from tests.postgres import postgres
from tests.registered import NAME, WORSE
from training import tracking
from training.evaluate import evaluate
from training.promote import promote
from training.registry import versions
from training.train import TrainedModel

# MLflow is warned by newer pandas and SQLAlchemy of what is its own to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.thorough]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def client(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowClient]:
    """From a folder whose name MLflow quotes in its tables as PostgreSQL does not."""
    with postgres() as uri, registered.registry(artifacts) as patch:
        patch.chdir(tmp_path_factory.mktemp("it's (R&D)"))
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", artifacts.as_uri())
        yield tracking.client()


@pytest.fixture(scope="module")
def trained(client: MlflowClient) -> TrainedModel:
    assert client.search_registered_models() == []
    return registered.trained()


def test_a_version_is_trained_measured_and_promoted(
    client: MlflowClient, trained: TrainedModel, artifacts: Path
) -> None:
    assert trained.version == "1"
    measured = evaluate(client, NAME, "challenger", (), 0)
    assert measured.evaluation.metrics.rmse_minutes == pytest.approx(trained.rmse_minutes)
    promoted = promote(
        *(client, NAME, "challenger", "champion", ()),
        margin_minutes=0.0,
        force=False,
        seed=0,
        steps=Steps(quiet=True),
    )
    assert promoted.promoted, promoted.reasons
    assert versions.number(versions.by_alias(client, NAME, "champion")) == "1"
    moves = versions.moves(client, NAME)
    assert [(move.alias, move.why, move.before, move.version) for move in moves] == [
        ("challenger", "train", None, "1"),
        ("champion", "promote", None, "1"),
    ]
    kept = client.get_run(trained.run_id).info.artifact_uri
    assert kept.startswith(artifacts.as_uri())


@pytest.mark.usefixtures("trained")
def test_of_two_who_move_an_alias_at_once_one_does_at_most(client: MlflowClient) -> None:
    first = versions.by_number(client, NAME, "1")
    second = versions.by_number(client, NAME, registered.trained(hyperparameters=WORSE).version)
    before = len(versions.moves(client, NAME))
    barrier = threading.Barrier(2)
    refused: list[str] = []

    def move(version: object) -> None:
        barrier.wait()
        try:
            versions.move_alias_from(client, None, version, "contested", "promote", "")  # type: ignore[arg-type]
        except UserError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=move, args=[version]) for version in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moved = versions.moves(client, NAME)[before:]
    assert len(moved) <= 1
    assert len(moved) + len(refused) == 2
    assert all("contested" in sentence for sentence in refused)
    named = versions.find_alias(client, NAME, "contested")
    assert (named and versions.number(named)) == (moved[0].version if moved else None)
    assert client.get_registered_model(NAME).tags == {}


def test_a_database_that_is_away_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@127.0.0.1:9/mlflow")
    with pytest.raises(UserError, match=r"postgresql://127.0.0.1:9/mlflow cannot") as said:
        tracking.client()
    assert "secret" not in str(said.value)
