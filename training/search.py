"""Hyperparameter search on the validation data within a budget; every trial is a run.

Uses Optuna's tree-structured Parzen estimator; the first trial has the current values.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from training.models.kind import ModelKind


class Found(msgspec.Struct, frozen=True):
    """The result of a search: the best RMSE, in minutes on the validation data, and its trial."""

    run_id: str
    trials: int
    seconds: float
    rmse_minutes: float
    standing_rmse_minutes: float
    hyperparameters: dict[str, Any]


@dataclass(frozen=True)
class Budget:
    """A search ends at whichever limit is reached first. A running trial is never interrupted."""

    trials: int
    minutes: float


def search[Hyperparameters: msgspec.Struct](
    datasets: Datasets,
    kind: ModelKind[Hyperparameters],
    budget: Budget,
    seed: int,
    out: Path,
    told: Callable[[int, float, float], None],
) -> Found:
    """Writes each new best to `out`, so that nothing is lost if the search is stopped.

    `told` is called for each trial with its number, its RMSE and the best so far. Raises
    `UserError` if the kind has nothing to search.
    """
    propose = kind.propose
    if propose is None:
        raise UserError(f"{kind.name} has no hyperparameters to search")
    tracking.client()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(msgspec.structs.asdict(kind.hyperparameters()))
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
                write(out, msgspec.convert(study.best_params, kind.hyperparameters))
            told(trial.number + 1, float(trial.value or 0.0), study.best_value)

        study.optimize(
            lambda trial: _trial(trial, kind, propose(trial), datasets, seed),
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
        hyperparameters=study.best_params,
    )


def _trial[Hyperparameters: msgspec.Struct](
    trial: Trial,
    kind: ModelKind[Hyperparameters],
    chosen: Hyperparameters,
    datasets: Datasets,
    seed: int,
) -> float:
    validation = datasets.validation.trips
    with mlflow.start_run(run_name=f"trial {trial.number + 1}", nested=True):
        mlflow.log_params(msgspec.structs.asdict(chosen))
        fitted = kind.fit(datasets.train, chosen, seed)
        metrics = measure(validation.duration_minutes, fitted.minutes(validation))
        mlflow.log_metrics(
            {"rmse_minutes": metrics.rmse_minutes, "mae_minutes": metrics.mae_minutes}
        )
    return metrics.rmse_minutes


def write(path: Path, hyperparameters: msgspec.Struct) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(hyperparameters), indent=2) + b"\n")


def read[Hyperparameters: msgspec.Struct](
    path: Path, kind: ModelKind[Hyperparameters]
) -> Hyperparameters:
    """Raises `UserError` if the file does not hold valid hyperparameters of the kind."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind.hyperparameters)
    except (OSError, *UNREADABLE) as error:
        raise UserError(
            f"{path} holds no hyperparameters of {kind.name}: {error}; `python -m training search` "
            "writes them"
        ) from error
