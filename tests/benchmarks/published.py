"""Models to serve and events to score, laid out in a folder as the buckets of S3 will hold them."""

import base64
import hashlib
import json
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import mlflow
import msgspec
import numpy as np
import pandas as pd
import sklearn
import skops
import skops.io
from mlflow.models import infer_signature
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression

from ride_scoring.domain import features
from ride_scoring.domain.events import GoldenRow, Ride
from ride_scoring.models import compiled as compiled_model
from ride_scoring.models import mlmodel
from ride_scoring.models.inputs import matrix_of
from ride_scoring.models.store import (
    AliasPointer,
    Manifest,
    file_key,
    manifest_key,
    pointer_key,
)
from tests.benchmarks.stub import SEQUENCE_NUMBER
from tests.factories import ARRIVED_AT, event_json
from training.compiler import compile_checked
from training.models import boosted
from trips.columns import Trips
from trips.profile import drawn

MODELS: Final = "models"
REJECTS: Final = "rejects"
STREAM: Final = "ride-predictions"
ALIAS: Final = "champion"
LINEAR: Final = "linear"
TREES: Final = "trees"
TREES_UNCOMPILED: Final = "trees-uncompiled"
NAIVE_URI: Final = f"s3://{MODELS}/mlflow/linear"
"""The linear model as MLflow leaves it, without what our publisher adds."""
NAIVE_PICKLE_URI: Final = f"s3://{MODELS}/mlflow/linear-pickle"
"""The same in the format that was MLflow's default until it was skops."""
LINEAR_FEATURES: Final = ("PULocationID", "DOLocationID", "trip_distance")
_TRAINED_RIDES: Final = 20_000
_GOLDEN_ROWS: Final = 20
_SEED: Final = 1


def lay_out(folder: Path) -> None:
    """Fits and publishes the models: one folder for each bucket."""
    ridden = drawn.synthetic(_TRAINED_RIDES, _SEED)
    (folder / REJECTS).mkdir(parents=True)
    matrix = _matrix(LINEAR_FEATURES, ridden)
    linear = LinearRegression().fit(matrix, ridden.duration_minutes)
    _publish(folder, LINEAR, linear, LINEAR_FEATURES, ridden, with_compiled=True)
    # Fitted on a frame, as it is given one: else scikit-learn warns at each ride.
    frame = pd.DataFrame(matrix, columns=list(LINEAR_FEATURES))
    naive = LinearRegression().fit(frame, ridden.duration_minutes)
    for uri, form in ((NAIVE_URI, "skops"), (NAIVE_PICKLE_URI, "cloudpickle")):
        _save(naive, frame, LINEAR_FEATURES, folder / uri.removeprefix("s3://"), form)
    names = boosted.FEATURES
    trees = boosted.fit(
        *(_matrix(names, ridden), ridden.duration_minutes, names),
        boosted.Hyperparameters(),
        _SEED,
    )
    _publish(folder, TREES, trees, names, ridden, with_compiled=True)
    _publish(folder, TREES_UNCOMPILED, trees, names, ridden, with_compiled=False)


def write_event(path: Path, rides: int) -> Path:
    """A Lambda event of so many rides that carry their pickup times."""
    ridden = drawn.synthetic(rides, _SEED + 1).rides()
    records = [_record(ride, ride_id) for ride_id, ride in enumerate(ridden, start=1)]
    path.write_text(json.dumps({"Records": records}), encoding="utf-8")
    return path


def _record(ride: Ride, ride_id: int) -> dict[str, Any]:
    data = event_json(ride_id=ride_id, **msgspec.to_builtins(ride))
    sequence_number = f"{SEQUENCE_NUMBER[:-6]}{ride_id:06}"
    return {
        "eventID": f"shardId-000000000000:{sequence_number}",
        "kinesis": {
            "partitionKey": str(ride_id),
            "sequenceNumber": sequence_number,
            "approximateArrivalTimestamp": ARRIVED_AT,
            "data": base64.b64encode(data).decode(),
        },
    }


def _matrix(names: Sequence[str], ridden: Trips) -> NDArray[np.float64]:
    return features.matrix(names, ridden.rides(), [ARRIVED_AT] * len(ridden))


def _publish(
    folder: Path,
    name: str,
    estimator: Any,
    names: Sequence[str],
    ridden: Trips,
    *,
    with_compiled: bool,
) -> None:
    """Version 1 of a model, as `training.store.publish` writes it."""
    bucket = folder / MODELS
    directory = (bucket / file_key(name, "1", mlmodel.FILE)).parent
    _save(estimator, _matrix(names, ridden), names, directory)
    if with_compiled:
        sources = {path: _digest(directory / path) for path in (mlmodel.FILE, "model.skops")}
        content, _ = compile_checked(estimator, matrix_of(names), sources)
        (directory / compiled_model.FILE).write_bytes(content)
    golden = ridden.where(slice(_GOLDEN_ROWS))
    minutes = estimator.predict(_matrix(names, golden)).tolist()
    manifest = msgspec.json.encode(
        Manifest(
            name=name,
            version="1",
            run_id="c0ffee00000040008000000000000000",
            metrics={},
            signature=msgspec.Raw(b"null"),
            files=_digests(directory),
            golden_rows=[GoldenRow(*row) for row in zip(golden.rides(), minutes, strict=True)],
        )
    )
    (bucket / manifest_key(name, "1")).write_bytes(manifest)
    pointer = AliasPointer("1", hashlib.sha256(manifest).hexdigest(), None, datetime.now(UTC))
    path = bucket / pointer_key(name, ALIAS)
    path.parent.mkdir(parents=True)
    path.write_bytes(msgspec.json.encode(pointer))


def _digests(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): _digest(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _save(
    estimator: Any, fitted_on: Any, names: Sequence[str], directory: Path, form: str = "skops"
) -> None:
    """By MLflow, whose default is skops."""
    trusted = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
    frame = pd.DataFrame(np.asarray(fitted_on)[:5], columns=list(names))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has feature names", UserWarning)
        mlflow.sklearn.save_model(
            estimator,
            directory,
            serialization_format=form,
            skops_trusted_types=trusted if form == "skops" else None,
            signature=infer_signature(frame, estimator.predict(fitted_on[:5])),
            pip_requirements=[
                f"scikit-learn=={sklearn.__version__}",
                f"skops=={skops.__version__}",
            ],
        )
