"""Dry run: whether the function reproduces the golden rows of a model directory.

Runs the function itself in its own process, through AWS's runtime client, on an event like those of
a Kinesis event source mapping. It writes nothing.
"""

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from infra.common import local_function, surroundings
from infra.common.console import UserError
from ride_scoring.domain.events import GoldenRow, Ride, RideEvent
from ride_scoring.errors import UNREADABLE
from ride_scoring.models.sklearn_flavor import ALLOW_PICKLE_VARIABLE
from ride_scoring.models.store import GOLDEN_TOLERANCE

_ARRIVED_AT: Final = 1_700_000_000.0
"""Arbitrary: each golden row's ride has its own time."""
_SETTINGS: Final = {
    "RUN_ID": "dry-run",
    "TEST_RUN": "true",
    # It makes no AWS calls, but does not start without these.
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "dry-run",
    "AWS_SECRET_ACCESS_KEY": "dry-run",
}


class _Scored(msgspec.Struct, frozen=True):
    ride_duration: float
    ride_id: int


class _Predicted(msgspec.Struct, frozen=True):
    prediction: _Scored


class _Answer(msgspec.Struct, frozen=True):
    predictions: list[_Predicted]
    rejects: list[dict[str, str]] = []


def dry_run(directory: Path, rows: Sequence[GoldenRow]) -> str | None:
    """What is wrong with the function's answers for the rows; None if nothing is."""
    event = msgspec.json.encode(_event([row.input for row in rows]))
    settings = {"MODEL_LOCATION": str(directory), **_SETTINGS}
    try:
        with local_function.started(_environment() | settings) as function:
            said = msgspec.json.decode(function.answer(event), type=_Answer)
    except (UserError, *UNREADABLE) as error:
        return f"the function does not score the golden rows: {error}"
    if said.rejects:
        return f"the function rejects a golden row: {said.rejects[0]['detail']}"
    minutes = {item.prediction.ride_id: item.prediction.ride_duration for item in said.predictions}
    for index, row in enumerate(rows):
        wanted = max(row.predicted, 0.0)
        if not abs(minutes.get(index, float("nan")) - wanted) <= GOLDEN_TOLERANCE:
            return (
                f"the function gives {minutes.get(index)} minutes for the golden row {index}, "
                f"where the model gave {wanted}"
            )
    return None


def _environment() -> dict[str, str]:
    """The environment that the function would have on AWS: of the user's own, only what lets it
    read pickles."""
    allowed = {name: os.environ[name] for name in (ALLOW_PICKLE_VARIABLE,) if name in os.environ}
    return surroundings.for_server(os.environ) | allowed


def _event(rides: Sequence[Ride]) -> dict[str, Any]:
    return {"Records": [_record(index, ride) for index, ride in enumerate(rides)]}


def _record(index: int, ride: Ride) -> dict[str, Any]:
    data = msgspec.json.encode(RideEvent(index, ride))
    return {
        "eventID": f"shardId-000000000000:{index}",
        "kinesis": {
            "partitionKey": str(index),
            "sequenceNumber": str(index),
            "approximateArrivalTimestamp": _ARRIVED_AT,
            "data": base64.b64encode(data).decode(),
        },
    }
