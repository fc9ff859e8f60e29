"""python -m training.answering: a `Question` in, `Answers` out; see `training.answers`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ride_scoring import domain
from ride_scoring.errors import ModelRefused, ModelUnavailable
from ride_scoring.models import mlmodel, model
from ride_scoring.models.files import Directory
from ride_scoring.models.inputs import ModelInputs
from training.answers import Answers, Question


def _answer(question: Question) -> Answers:
    directory, arrived_at = Path(question.directory), [0.0] * len(question.rides)
    try:
        loaded = model.load(Directory(directory), allow_pickle=question.allow_pickle)
        ours = loaded.predict(question.rides, arrived_at)
        source = model.load_source(Directory(directory), allow_pickle=question.allow_pickle)
    except (ModelRefused, ModelUnavailable) as error:
        return Answers(refusal=f"the function could not serve the model: {error}")
    except Exception as error:  # noqa: BLE001 - a model can raise anything
        return Answers(refusal=f"the model fails on rides: {_said(error)}")
    try:
        theirs = _by_mlflow(directory, source.takes, question.rides)
    except Exception as error:  # noqa: BLE001 - and so can MLflow
        return Answers(refusal=f"MLflow cannot score the model: {_said(error)}")
    if theirs.shape not in {(len(ours),), (len(ours), 1)}:
        return Answers(
            refusal=f"MLflow gives predictions of shape {theirs.shape} for {len(ours)} rides"
        )
    return Answers(_finite(theirs), _finite(ours))


def _finite(minutes: NDArray[np.float64]) -> list[float | None]:
    """JSON has no other numbers."""
    return [value if np.isfinite(value) else None for value in minutes.reshape(-1).tolist()]


def _by_mlflow(directory: Path, takes: ModelInputs, rides: Sequence[domain.Input]) -> Any:  # noqa: ANN401 - an array
    description = mlmodel.read(Directory(directory))
    taken: Any = takes.of(rides, [0.0] * len(rides))
    if takes.shape == "dicts" and description.is_plain_sklearn:
        # With a signature, pyfunc would make a data frame of dicts, which no vectorizer takes.
        return np.asarray(mlflow.sklearn.load_model(str(directory)).predict(taken), dtype=float)
    if takes.shape == "matrix":
        taken = mlmodel.frame(dict(zip(takes.names, taken.T, strict=True)), description)
    elif takes.shape == "columns":
        taken = mlmodel.frame(taken, description)
    predicted = mlflow.pyfunc.load_model(str(directory)).predict(taken)
    if isinstance(predicted, pd.DataFrame):
        predicted = predicted.to_numpy()
    return np.asarray(predicted, dtype=float)


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]:.300}" if lines else type(error).__name__


def main() -> None:
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    # Models and their libraries print what they like: only the last line is the answer.
    print(f"\n{msgspec.json.encode(_answer(asked)).decode()}")  # noqa: T201


if __name__ == "__main__":
    main()
