"""The function as most people write it: MLflow's pyfunc, one predict and one put a ride.

Events in, predictions out, as the first three keys of ours. Its environment: MODEL_URI and
PREDICTIONS_STREAM_NAME.
"""

import base64
import json
import os
from typing import Any

import boto3
import mlflow
import pandas as pd

model = mlflow.pyfunc.load_model(os.environ["MODEL_URI"])
kinesis = boto3.client("kinesis")


def predict(ride: dict[str, Any]) -> float:
    features = {
        "PULocationID": float(ride["PULocationID"]),
        "DOLocationID": float(ride["DOLocationID"]),
        "trip_distance": float(ride["trip_distance"]),
    }
    return float(model.predict(pd.DataFrame([features]))[0])


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    for record in event["Records"]:
        ride_event = json.loads(base64.b64decode(record["kinesis"]["data"]))
        prediction = {
            "model": "ride-duration",
            "version": "1",
            "prediction": {
                "ride_duration": predict(ride_event["ride"]),
                "ride_id": ride_event["ride_id"],
            },
        }
        kinesis.put_record(
            StreamName=os.environ["PREDICTIONS_STREAM_NAME"],
            Data=json.dumps(prediction),
            PartitionKey=str(ride_event["ride_id"]),
        )
    return {"batchItemFailures": []}
