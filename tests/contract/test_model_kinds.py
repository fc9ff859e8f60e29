"""Another kind of model is one module and its name: from the command line to the function."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from typer.testing import CliRunner

from infra.common.console import UserError
from infra.common.paths import ROOT
from ride_scoring.models.inputs import matrix_of
from tests import registered
from tests.registered import NAME
from training import cli, tracking
from training.models import DEFAULT_KIND, catalogue
from training.models.kind import Fitted, ModelKind, feature_matrix
from training.registry import artifacts, versions
from training.registry.loaded import loaded
from trips.columns import Trips

# MLflow is warned by newer pandas and SQLAlchemy of what is its own to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

DATA = "synthetic:1500:1"


class _Penalty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alpha: float = 1.0


def _fit(trips: Trips, hyperparameters: _Penalty, _: int) -> Fitted:
    names = ("trip_distance", "hour")
    ridge = Ridge(alpha=hyperparameters.alpha)
    return Fitted(ridge.fit(feature_matrix(names, trips), trips.duration_minutes), matrix_of(names))


RIDGE = ModelKind(
    *("ridge", "ridge", _Penalty, _fit),
    lambda trial: _Penalty(trial.suggest_float("alpha", 0.1, 10.0)),
)
"""All that another kind takes."""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(catalogue.KINDS, RIDGE.name, RIDGE)
    with registered.registry(tmp_path):
        yield


def told(*arguments: str) -> Any:
    done = CliRunner().invoke(cli.app, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def minutes(number: str, *, compiled: bool = True) -> list[float]:
    """What the function's own loader gives for the golden rows, having been compared with them."""
    client = tracking.client()
    version = versions.by_number(client, NAME, number)
    rows = artifacts.golden_rows(version)
    rides = [row.input for row in rows]
    trips = Trips(
        pickup=np.array([ride.pickup_datetime for ride in rides], dtype="datetime64[us]"),
        duration_minutes=np.ones(len(rides)),
        pickup_zone=np.array([ride.pickup_zone for ride in rides]),
        dropoff_zone=np.array([ride.dropoff_zone for ride in rides]),
        distance_miles=np.array([ride.trip_distance for ride in rides]),
    )
    with loaded(client, version) as served:
        assert served.directory.compiled is compiled, served.directory.parity
        found = served.fitted.minutes(trips)
    assert found == pytest.approx([max(row.predicted, 0.0) for row in rows], abs=1e-6)
    return list(found)


@pytest.mark.usefixtures("registry")
def test_a_further_kind_is_searched_trained_registered_and_scored_by_its_name(
    tmp_path: Path,
) -> None:
    best = tmp_path / "best.json"
    both = ("--train", DATA, "--validate", "synthetic:500:2")
    found = told("search", *both, "--model", "ridge", "--trials", "2", "--out", str(best))
    assert found["hyperparameters"].keys() == {"alpha"}
    trained = told("train", DATA, "--model", "ridge", "--hyperparameters", str(best))
    run = tracking.client().get_run(trained["run_id"])
    assert run.data.params["model"] == "ridge"
    assert float(run.data.params["alpha"]) == found["hyperparameters"]["alpha"]
    assert len(set(minutes(trained["version"]))) > 10


@pytest.mark.usefixtures("registry")
def test_the_lessons_model_has_no_signature_and_can_be_promoted() -> None:
    trained = told("train", DATA, "--model", "linear")
    assert len(set(minutes(trained["version"]))) > 10
    version = versions.by_number(tracking.client(), NAME, trained["version"])
    with loaded(tracking.client(), version) as served:  # as in the lesson, there is no signature
        assert "signature" not in (served.directory.path / "MLmodel").read_text()
    promoted = told("promote", "--validate", "synthetic:2000:9")
    assert promoted["promoted"], promoted["reasons"]


@pytest.mark.thorough
@pytest.mark.usefixtures("registry")
def test_the_mean_is_a_kind_that_scores_though_it_does_not_compile() -> None:
    trained = told("train", DATA, "--model", "mean")
    assert len(set(minutes(trained["version"], compiled=False))) == 1


@pytest.mark.usefixtures("registry")
def test_what_a_kind_does_not_have_is_said(tmp_path: Path) -> None:
    both = ("--train", DATA, "--validate", "synthetic:500:2")
    runner = CliRunner()
    with pytest.raises(UserError, match="no model 'forest': the models are mean, linear, boosted"):
        runner.invoke(cli.app, ["train", DATA, "--model", "forest"], catch_exceptions=False)
    with pytest.raises(UserError, match="linear has no hyperparameters to search"):
        runner.invoke(cli.app, ["search", *both, "--model", "linear"], catch_exceptions=False)
    (file := tmp_path / "best.json").write_text('{"trees": 10}')
    with pytest.raises(UserError, match=r"best\.json holds no hyperparameters of ridge"):
        runner.invoke(
            cli.app,
            ["train", DATA, "--model", "ridge", "--hyperparameters", str(file)],
            catch_exceptions=False,
        )


def test_what_is_not_of_one_kind_names_none() -> None:
    assert DEFAULT_KIND in catalogue.KINDS
    models = ROOT / "training" / "models"
    for path in sorted((ROOT / "training").rglob("*.py")):
        if path.parent != models:
            assert DEFAULT_KIND not in path.read_text().lower(), path
