"""Fits all models on one set of trips, evaluates them on another, and writes table and page."""

import os
import platform
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import sklearn
from rich.table import Table

from infra.common.steps import Steps
from training import assess
from training.datasets import Datasets
from training.evaluation.evaluation import Data
from training.evaluation.metrics import Metrics
from training.evaluation.report import ReportFacts, Row, report
from training.evaluation.slices import pairs, seen_pairs
from training.models.catalogue import KINDS
from training.models.kind import ModelKind

RULES: Final = {
    "function": "Trips that the function would score, of 1 to 60 minutes.",
    "course": "The MLOps Zoomcamp's filter: trips of 1 to 60 minutes.",
}


class Compared(Metrics, frozen=True, kw_only=True):
    """One model, as `--json` prints it."""

    name: str
    training_seconds: float


class Comparison(msgspec.Struct, frozen=True):
    """All models, simplest first."""

    train: str
    train_rides: int
    validate: str
    rules: str
    seed: int
    models: list[Compared]


def compare(datasets: Datasets, seed: int, page: Path, steps: Steps) -> Comparison:
    """Fits and evaluates a model of each kind, and writes the page."""
    rows = [_row(kind, datasets, seed, steps) for kind in KINDS.values()]
    page.parent.mkdir(parents=True, exist_ok=True)
    with steps.step("report", "report written"):
        page.write_text(report(_facts(datasets, seed), rows), encoding="utf-8")
    return Comparison(
        train=datasets.lineage.train_name,
        train_rides=len(datasets.train),
        validate=datasets.validation.data.name,
        rules=datasets.lineage.rules,
        seed=seed,
        models=[_compared(row) for row in rows],
    )


def _row(kind: ModelKind[Any], datasets: Datasets, seed: int, steps: Steps) -> Row:
    with steps.step(kind.title, kind.title) as step:
        started = time.monotonic()
        fitted = kind.fit(datasets.train, kind.hyperparameters(), seed)
        seconds = time.monotonic() - started
        seen = seen_pairs(pairs(datasets.train), datasets.validation.trips)
        found = assess.assess(fitted, datasets.validation, seen, seed)
        step.line += f": RMSE {found.evaluation.metrics.rmse_minutes:.2f} minutes"
    return Row(kind.title, found.evaluation, found.figures, seconds)


def _compared(row: Row) -> Compared:
    numbers = msgspec.structs.asdict(row.evaluation.metrics)
    return Compared(name=row.name, training_seconds=round(row.training_seconds or 0, 1), **numbers)


def _facts(datasets: Datasets, seed: int) -> ReportFacts:
    lineage = datasets.lineage
    return ReportFacts(
        title="Models of ride durations",
        training=Data(lineage.train_name, " ".join(lineage.train_sha256)),
        training_rides=len(datasets.train),
        validation=datasets.validation.data,
        validation_rides=len(datasets.validation.trips),
        rule=RULES[lineage.rules],
        seed=seed,
        environment={
            "Python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "NumPy": np.__version__,
            "system": platform.platform(),
            "cores": str(os.process_cpu_count()),
        },
    )


def table(comparison: Comparison) -> Table:
    """A table for the terminal; all but the last two columns are in minutes."""
    shown = Table(
        title=f"{comparison.train} ({comparison.train_rides:,} rides) → {comparison.validate}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    shown.add_column("model")
    for column in ("RMSE", "MAE", "bias", "p90", "p99", "within 5", "rides"):
        shown.add_column(column, justify="right")
    for model in comparison.models:
        shown.add_row(
            model.name,
            *(
                f"{model.rmse_minutes:.2f}",
                f"{model.mae_minutes:.2f}",
                f"{model.bias_minutes:+.2f}",
            ),
            *(f"{model.p90_error_minutes:.1f}", f"{model.p99_error_minutes:.1f}"),
            *(f"{model.within_5_minutes:.1%}", f"{model.rides:,}"),
        )
    return shown
