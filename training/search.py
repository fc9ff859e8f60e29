"""Hyperparameter search on the validation data within a budget; every trial is a run.

Uses Optuna's tree-structured Parzen estimator; the first trial has the current values.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import mlflow
import msgspec
import optuna
from optuna import Study, Trial
from optuna.trial import FrozenTrial

from infra.common.console import UserError
from ride_scoring.errors import UNREADABLE
from training import tracking
from training.datasets import Datasets
from training.evaluation.metrics import measure
from training.models.boosted import Hyperparameters
from training.models.catalogue import boosted_trees

FILE: Final = "hyperparameters.json"


class Found(msgspec.Struct, frozen=True):
    """The result of a search: the best RMSE, in minutes on the validation data, and its trial."""

    run_id: str
    trials: int
    seconds: float
    rmse_minutes: float
    standing_rmse_minutes: float
    hyperparameters: Hyperparameters


@dataclass(frozen=True)
class Budget:
    """A search ends at whichever limit is reached first. A running trial is never interrupted."""

    trials: int
    minutes: float


def search(
    datasets: Datasets,
    budget: Budget,
    seed: int,
    out: Path,
    told: Callable[[int, float, float], None],
) -> Found:
    """Writes each new best to `out`, so that nothing is lost if the search is stopped.

    `told` is called for each trial with its number, its RMSE and the best so far.
    """
    tracking.client()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(msgspec.structs.asdict(Hyperparameters()))
    started = time.monotonic()
    with mlflow.start_run(run_name="search") as parent:
        mlflow.log_params(
            {
                "train": datasets.lineage.train_name,
                "validate": datasets.validation.data.name,
                "rules": datasets.lineage.rules,
                "seed": seed,
                "budget_trials": budget.trials,
                "budget_minutes": budget.minutes,
            }
        )

        def keep(study: Study, trial: FrozenTrial) -> None:
            if study.best_trial.number == trial.number:
                write(out, _hyperparameters(study.best_params))
            told(trial.number + 1, float(trial.value or 0.0), study.best_value)

        study.optimize(
            lambda trial: _trial(trial, datasets, seed),
            n_trials=budget.trials,
            timeout=budget.minutes * 60,
            callbacks=[keep],
        )
        mlflow.log_metric("rmse_minutes", study.best_value)
        mlflow.log_artifact(str(out))
    return Found(
        run_id=parent.info.run_id,
        trials=len(study.trials),
        seconds=round(time.monotonic() - started, 1),
        rmse_minutes=study.best_value,
        standing_rmse_minutes=float(study.trials[0].value or 0.0),
        hyperparameters=_hyperparameters(study.best_params),
    )


def _trial(trial: Trial, datasets: Datasets, seed: int) -> float:
    chosen = _proposed(trial)
    validation = datasets.validation.trips
    with mlflow.start_run(run_name=f"trial {trial.number + 1}", nested=True):
        mlflow.log_params(msgspec.structs.asdict(chosen))
        fitted = boosted_trees("trial", hyperparameters=chosen).fit(datasets.train, seed)
        metrics = measure(validation.duration_minutes, fitted.minutes(validation))
        mlflow.log_metrics(
            {"rmse_minutes": metrics.rmse_minutes, "mae_minutes": metrics.mae_minutes}
        )
    return metrics.rmse_minutes


def _proposed(trial: Trial) -> Hyperparameters:
    return Hyperparameters(
        trees=trial.suggest_int("trees", 50, 400, log=True),
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        leaves=trial.suggest_int("leaves", 15, 255, log=True),
        rides_per_leaf=trial.suggest_int("rides_per_leaf", 5, 200, log=True),
        features_per_split=trial.suggest_float("features_per_split", 0.2, 1.0),
        l2_regularization=trial.suggest_float("l2_regularization", 0.0, 20.0),
        folds=trial.suggest_int("folds", 5, 40),
    )


def _hyperparameters(best: dict[str, int | float]) -> Hyperparameters:
    return msgspec.convert(best, Hyperparameters)


def write(path: Path, hyperparameters: Hyperparameters) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(hyperparameters), indent=2) + b"\n")


def read(path: Path) -> Hyperparameters:
    """Raises `UserError` if the file does not hold valid hyperparameters."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Hyperparameters)
    except (OSError, *UNREADABLE) as error:
        raise UserError(
            f"{path} holds no hyperparameters: {error}; `python -m training search` writes them"
        ) from error
