"""What is tried before anything is registered: a search of hyperparameters, models side by side."""

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from infra.common.console import UserError
from infra.common.steps import Steps
from tests import registered, trip_files
from training import compare, datasets, search, tracking
from training.models.boosted import BOOSTED, Hyperparameters
from training.search import Budget

# MLflow is warned by newer pandas and SQLAlchemy of what is its own to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.thorough]


@pytest.fixture(scope="module")
def small() -> datasets.Datasets:
    return datasets.read(["synthetic:2000:1"], ["synthetic:1000:2"], "function")


def test_a_search_keeps_the_best_and_logs_each_trial_below_it(
    small: datasets.Datasets, tmp_path: Path
) -> None:
    told: list[float] = []
    out = tmp_path / "best" / "hyperparameters.json"
    with registered.registry(tmp_path):
        found = search.search(
            small,
            BOOSTED,
            Budget(trials=4, minutes=5),
            0,
            out,
            lambda _, rmse, __: told.append(rmse),
        )
        client = tracking.client()
        experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
        assert experiment is not None
        below = client.search_runs(
            [experiment.experiment_id], f"tags.mlflow.parentRunId = '{found.run_id}'"
        )
        parent = client.get_run(found.run_id)
        logged = [file.path for file in client.list_artifacts(found.run_id)]
    assert found.trials == len(told) == len(below) == 4
    assert found.rmse_minutes == min(told) == parent.data.metrics["rmse_minutes"]
    assert found.standing_rmse_minutes == told[0]
    assert sorted(run.data.metrics["rmse_minutes"] for run in below) == sorted(told)
    assert parent.data.params["budget_trials"] == "4"
    assert logged == [out.name]
    assert msgspec.to_builtins(search.read(out, BOOSTED)) == found.hyperparameters


def test_a_search_that_is_stopped_has_written_the_best_so_far(
    small: datasets.Datasets, tmp_path: Path
) -> None:
    out = tmp_path / "hyperparameters.json"

    def stop(number: int, _: float, __: float) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with registered.registry(tmp_path), pytest.raises(KeyboardInterrupt):
        search.search(small, BOOSTED, Budget(trials=50, minutes=5), 0, out, stop)
    assert isinstance(search.read(out, BOOSTED), Hyperparameters)


def test_a_search_ends_with_its_minutes(small: datasets.Datasets, tmp_path: Path) -> None:
    out = tmp_path / "hyperparameters.json"
    with registered.registry(tmp_path):
        found = search.search(
            small, BOOSTED, Budget(trials=1_000_000, minutes=0.001), 0, out, lambda *_: None
        )
    assert found.trials < 100


@pytest.mark.parametrize(
    "content",
    ['{"trees": "many"}', '{"trees": -5}', '{"folds": 1}', '{"treees": 5}', "no json", None],
)
def test_a_file_that_holds_no_hyperparameters_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "best.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=r"best\.json holds no hyperparameters"):
        search.read(path, BOOSTED)


def test_models_are_compared_on_the_same_rides_and_the_page_shows_all(
    small: datasets.Datasets, tmp_path: Path
) -> None:
    page = tmp_path / "new" / "report.html"
    comparison = compare.compare(small, 0, page, Steps(quiet=True))
    plain = msgspec.to_builtins(comparison)
    assert [model["name"] for model in plain["models"]] == [
        "mean",
        "course linear",
        "boosted trees, no pickup time",
        "boosted trees",
    ]
    assert {model["rides"] for model in plain["models"]} == {len(small.validation.trips)}
    assert plain["models"][-1]["rmse_minutes"] < plain["models"][0]["rmse_minutes"]
    text = page.read_text()
    assert all(f">{model['name']}<" in text for model in plain["models"])
    assert text.count("data:image/png;base64,") > 20
    assert not re.search(r'(src|href)="(https?:)?//', text)


def test_a_model_is_not_measured_on_what_it_was_trained_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="synthetic:1000:2 is among the data to train on"):
        datasets.read(["synthetic:1000:1", "synthetic:1000:2"], ["synthetic:1000:2"], "function")
    one, copy = (str(tmp_path / name) for name in ("one.parquet", "copy.parquet"))
    for path in (one, copy):
        trip_files.write(Path(path), trip_files.columns(1_000))
    with pytest.raises(UserError, match="is among the data to train on"):
        datasets.read([one], [copy], "function")
    with pytest.raises(UserError, match="hold the same trips, which would count twice"):
        datasets.read([one, copy], (), "function")


def test_the_courses_filter_keeps_what_the_function_would_reject(tmp_path: Path) -> None:
    path = tmp_path / "trips.parquet"
    far = trip_files.columns(1_000) | {"trip_distance": np.full(1_000, 500.0)}
    trip_files.write(path, far)
    assert datasets.read([str(path)], (), "course").lineage.train[0].kept == 1_000
    with pytest.raises(UserError, match="0 usable trips"):
        datasets.read([str(path)], (), "function")
