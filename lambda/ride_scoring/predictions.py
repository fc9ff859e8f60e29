"""Scores events with a model, one predict call for a whole batch. Pure."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain.events import Prediction, Ride, RideDuration, RideEvent, Role
from ride_scoring.errors import CannotScore
from ride_scoring.streams.records import Arrival, OutputRecord

MAX_RECORD_BYTES: Final = 1024 * 1024 - 1024
"""Data and partition key of one record of a stream, unless the stream was made for larger ones,
less what an aggregated record has around it:
https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html"""

_encode = msgspec.json.Encoder().encode
_utc = datetime.fromtimestamp


class Predictor(Protocol):
    """The part of `models.model.RideModel` that is used here."""

    def predict(
        self, rides: Sequence[Ride], arrived_at: Sequence[float]
    ) -> NDArray[np.float64]: ...


class ServedModel(msgspec.Struct, frozen=True):
    """A loaded model, with the identifiers that its predictions carry."""

    name: str
    version: str
    run_id: str
    role: Role
    predictor: Predictor


class ScorableEvent(msgspec.Struct, frozen=True, gc=False):
    """An event's bytes and the ride event decoded from them."""

    arrival: Arrival
    event: RideEvent


def minutes(
    model: ServedModel, scorable: Sequence[ScorableEvent], out_of_time: Callable[[], bool]
) -> list[float | CannotScore]:
    """The model's minutes for each ride, in order, or why there are none.

    One predict for all. Where the model fails on them, each half is tried by itself, down to the
    rides that it fails on; the list is shorter than `scorable` where time ran out meanwhile.
    """
    if not scorable:
        return []
    try:
        predicted = model.predictor.predict(
            [item.event.ride for item in scorable], [item.arrival.arrived_at for item in scorable]
        )
        return list(predicted.tolist())
    except Exception as error:  # noqa: BLE001 - a model can fail in any way of its own
        if len(scorable) == 1:
            # Only the error's type: its message may quote the event.
            failed = f"model version {model.version} fails on it: {type(error).__name__}"
            return [CannotScore("model_output", failed)]
    return _minutes_of_halves(model, scorable, out_of_time)


def _minutes_of_halves(
    model: ServedModel, scorable: Sequence[ScorableEvent], out_of_time: Callable[[], bool]
) -> list[float | CannotScore]:
    middle = len(scorable) // 2
    first = minutes(model, scorable[:middle], out_of_time)
    if len(first) < middle or out_of_time():
        return first
    return first + minutes(model, scorable[middle:], out_of_time)


def prediction(
    model: ServedModel, scored: ScorableEvent, ride_minutes: float | CannotScore, at: datetime
) -> OutputRecord:
    """One prediction as it goes on the wire: UTF-8 JSON, keyed by the ride; below zero counts as
    zero. Raises `CannotScore` for NaN, infinity, and what is too large for a stream.
    """
    if isinstance(ride_minutes, CannotScore):
        raise ride_minutes
    if not math.isfinite(ride_minutes):
        raise CannotScore("model_output", f"model version {model.version} gave {ride_minutes}")
    arrival, event = scored.arrival, scored.event
    data = _encode(
        Prediction(
            model.name,
            model.version,
            RideDuration(max(0.0, ride_minutes), event.ride_id),
            arrival.event_id,
            model.run_id,
            model.role,
            event.ride,
            _utc(arrival.arrived_at, UTC),
            at,
        )
    )
    key = str(event.ride_id)
    if len(data) + 4 * len(key) > MAX_RECORD_BYTES:  # a character is at most four bytes
        raise CannotScore("too_large", f"its prediction has {len(data)} bytes")
    return OutputRecord(data, key)
