"""What a model directory answers: by MLflow and by the function's own code, in another process.

A model may run any code when it is loaded, and another flavour's libraries may print, hang on to
threads or crash: `training.answering` has them to itself.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from infra.common.console import UserError
from infra.common.paths import ROOT
from ride_scoring import domain
from ride_scoring.models.sklearn_flavor import ALLOW_PICKLE_VARIABLE
from ride_scoring.models.store import GOLDEN_TOLERANCE
from trips.profile.drawn import synthetic

_RIDES: Final = 200
_SEED: Final = 20_230_301
_ROWS: Final = 20


class Question(msgspec.Struct, frozen=True):
    """A model directory, and rides to score."""

    directory: str
    allow_pickle: bool
    rides: list[domain.Input]


class Answers(msgspec.Struct, frozen=True):
    """Minutes for each ride, by MLflow and by the function's code, None where that is no finite
    number; or why there are none."""

    mlflow: list[float | None] = []
    function: list[float | None] = []
    refusal: str | None = None


def drawn() -> list[domain.Input]:
    """Typical rides of the city, the same each time."""
    return synthetic(_RIDES, _SEED).rides()


def golden_rows(
    directory: Path, rides: Sequence[domain.Input], *, constant: bool
) -> list[domain.GoldenRow]:
    """A spread of the rides, with MLflow's minutes for them.

    Raises `UserError` where the function would give other minutes than MLflow, or where a model's
    answers cannot be meant: see `require_plausible`.
    """
    answers = _answers(directory, rides)
    minutes, function = (
        np.array(said, dtype=np.float64) for said in (answers.mlflow, answers.function)
    )
    require_plausible(minutes.tolist(), rides, constant=constant)
    differences = np.abs(minutes - function)
    worst = int(np.argmax(differences))
    if not differences[worst] <= GOLDEN_TOLERANCE:
        raise UserError(
            f"MLflow gives {minutes[worst]} minutes for the ride {_shown(rides[worst])}, "
            f"and the function would give {function[worst]}: the model is not published"
        )
    chosen = np.linspace(0, len(rides) - 1, min(_ROWS, len(rides))).astype(np.int64)
    return [domain.GoldenRow(rides[index], float(minutes[index])) for index in chosen.tolist()]


def require_plausible(
    minutes: Sequence[float], rides: Sequence[domain.Input], *, constant: bool
) -> None:
    """Raises `UserError` for a prediction that is no number, or one number for all rides, unless
    `constant` says that it is meant: a model that ignores what it is given predicts so."""
    for ride, predicted in zip(rides, minutes, strict=True):
        if not np.isfinite(predicted):
            raise UserError(
                f"the model predicts {predicted} minutes for the ride {_shown(ride)}: the function "
                "could serve no such prediction"
            )
    if not constant and len(set(minutes)) == 1:
        raise UserError(
            f"the model predicts {minutes[0]} minutes for each of {len(rides)} different rides: it "
            "was most likely fitted on other names or types than it is given; if it is meant to, "
            "publish it with --constant"
        )


def _shown(ride: domain.Input) -> str:
    return msgspec.json.encode(ride).decode()


def _answers(directory: Path, rides: Sequence[domain.Input]) -> Answers:
    question = Question(str(directory), pickles_are_allowed(), list(rides))
    done = subprocess.run(
        [sys.executable, "-m", "training.answering"],
        cwd=ROOT,
        input=msgspec.json.encode(question),
        capture_output=True,
        check=False,
    )
    try:
        answers = msgspec.json.decode(done.stdout.splitlines()[-1], type=Answers)
    except (IndexError, msgspec.MsgspecError) as error:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(
            f"the process that scores the model ended with {done.returncode}"
            f"{f': {said[-1]:.300}' if said else ''}"
        ) from error
    if answers.refusal is not None:
        raise UserError(answers.refusal)
    return answers


def pickles_are_allowed() -> bool:
    return os.environ.get(ALLOW_PICKLE_VARIABLE, "").strip().lower() in {"1", "true"}
