"""python -m tests.benchmarks.bench_function: the function beside the naive one, in one run.

The naive function is what most people deploy: MLflow's pyfunc, one predict and one put a ride.
Both score the same rides with the same linear model and write to a stub that takes everything, so
that each pays for its own code alone. CPU time of this process, the medians of paired rounds.
"""

import base64
import functools
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import msgspec
import pandas as pd
import sklearn
from mlflow.models import infer_signature
from rich.table import Table
from sklearn.linear_model import LinearRegression

from infra import console
from infra.paths import OUT
from ride_scoring import kinesis_event, model
from ride_scoring.predictions import ServedModel
from ride_scoring.scoring import Scorer
from ride_scoring.sink import PredictionSink
from stream_sim import trips
from tests.factories import FakeModels, FakeRejects

FEATURES = ["PULocationID", "DOLocationID", "trip_distance"]
BATCHES = (1, 100, 1_000)
ROUNDS = 7
NAIVE_RIDES = 100
"""The naive function costs the same a ride in a batch of any size."""


class TakesAll:
    """Kinesis's two calls, at no cost."""

    def put_records(self, **request: Any) -> dict[str, Any]:
        return {"Records": [{} for _ in request["Records"]]}

    def put_record(self, **_: Any) -> dict[str, Any]:
        return {}


def main() -> None:
    ridden = trips.synthetic(max(BATCHES), seed=1)
    with tempfile.TemporaryDirectory() as folder:
        frame, minutes = course_frame(ridden), ridden.duration_minutes
        ours = our_function(save_model(frame.to_numpy(), frame, minutes, Path(folder) / "ours"))
        naive = naive_function(save_model(frame, frame, minutes, Path(folder) / "naive"))
    naive_event = lambda_event(ridden, NAIVE_RIDES)
    results = []
    for batch in BATCHES:
        event = lambda_event(ridden, batch)
        repeats = max(1, 1_000 // batch)
        rounds = [
            (
                cpu_microseconds(functools.partial(ours, event), repeats) / batch,
                cpu_microseconds(functools.partial(naive, naive_event), 1) / NAIVE_RIDES,
            )
            for _ in range(ROUNDS)
        ]
        ratios = [naive_us / our_us for our_us, naive_us in rounds]
        results.append(
            {
                "batch": batch,
                "our_us_a_ride": round(statistics.median(pair[0] for pair in rounds), 2),
                "naive_us_a_ride": round(statistics.median(pair[1] for pair in rounds), 1),
                "ratio": round(statistics.median(ratios), 1),
                "ratio_range": [round(min(ratios), 1), round(max(ratios), 1)],
            }
        )
    report(results)


def course_frame(ridden: trips.Trips) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "PULocationID": ridden.pickup_zone.astype("float64"),
            "DOLocationID": ridden.dropoff_zone.astype("float64"),
            "trip_distance": ridden.distance_miles,
        }
    )


def save_model(rides: Any, frame: pd.DataFrame, minutes: Any, directory: Path) -> Path:
    """Fitted on what its function predicts from, a matrix or a frame: else scikit-learn warns."""
    fitted = LinearRegression().fit(rides, minutes)
    mlflow.sklearn.save_model(
        fitted,
        directory,
        serialization_format="skops",
        signature=infer_signature(frame[:5], minutes[:5]),
        pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
    )
    return directory


def our_function(directory: Path) -> Callable[[dict[str, Any]], object]:
    served = ServedModel("ride-duration", "1", "run", "champion", model.load(directory))
    stub: Any = TakesAll()
    scorer = Scorer(FakeModels(served), PredictionSink(stub, "predictions"), FakeRejects())
    return lambda event: scorer.score(kinesis_event.records(event), lambda: 60.0)


def naive_function(directory: Path) -> Callable[[dict[str, Any]], object]:
    loaded = mlflow.pyfunc.load_model(str(directory))
    kinesis = TakesAll()

    def handle(event: dict[str, Any]) -> None:
        for record in event["Records"]:
            ride_event = json.loads(base64.b64decode(record["kinesis"]["data"]))
            features = {name: float(ride_event["ride"][name]) for name in FEATURES}
            minutes = float(loaded.predict(pd.DataFrame([features]))[0])
            prediction = {"ride_duration": minutes, "ride_id": ride_event["ride_id"]}
            kinesis.put_record(Data=json.dumps({"prediction": prediction}), PartitionKey="1")

    return handle


def lambda_event(ridden: trips.Trips, count: int) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventID": f"shardId-000000000000:{number}",
                "kinesis": {
                    "partitionKey": str(number),
                    "sequenceNumber": str(number),
                    "approximateArrivalTimestamp": 1_673_703_060.5,
                    "data": base64.b64encode(
                        msgspec.json.encode({"ride_id": number, "ride": ride})
                    ).decode(),
                },
            }
            for number, ride in enumerate(ridden.where(slice(count)).rides())
        ]
    }


def cpu_microseconds(function: Callable[[], object], repeats: int) -> float:
    started = time.process_time()
    for _ in range(repeats):
        function()
    return (time.process_time() - started) / repeats * 1e6


def report(results: list[dict[str, Any]]) -> None:
    machine = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "scikit-learn": sklearn.__version__,
        "mlflow": mlflow.__version__,
        "rounds": ROUNDS,
    }
    (OUT / "bench").mkdir(parents=True, exist_ok=True)
    path = OUT / "bench" / "summary.json"
    body = msgspec.json.encode({"environment": machine, "warm_linear": results})
    path.write_bytes(msgspec.json.format(body, indent=2) + b"\n")
    table = Table(title="CPU a ride, no network", title_justify="left", caption=str(path))
    for column in ("batch", "ours, µs", "naive, µs", "ratio", "range"):
        table.add_column(column, justify="right")
    for row in results:
        low, high = row["ratio_range"]
        table.add_row(
            *(f"{row[name]:,}" for name in ("batch", "our_us_a_ride", "naive_us_a_ride", "ratio")),
            f"{low:,} to {high:,}",
        )
    console.out.print(table)


if __name__ == "__main__":
    main()
