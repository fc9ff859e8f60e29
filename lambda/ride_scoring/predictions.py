"""Ride events and a model in, predictions out: one predict for a whole batch. Pure."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from ride_scoring.decode import CannotScore
from ride_scoring.events import KinesisRecord, Prediction, Ride, RideDuration, RideEvent

_encoder = msgspec.json.Encoder()


class Predictor(Protocol):
    """What `model.RideModel` is to this module."""

    def predict(
        self, rides: Sequence[Ride], arrived_at: Sequence[float]
    ) -> NDArray[np.float64]: ...


class ServedModel(msgspec.Struct, frozen=True):
    """A model that serves, with the names that its predictions carry."""

    name: str
    version: str
    run_id: str
    role: str
    predictor: Predictor


class ScorableRecord(msgspec.Struct, frozen=True, gc=False):
    """A record and the ride event decoded from it."""

    record: KinesisRecord
    event: RideEvent


class OutputRecord(msgspec.Struct, frozen=True, gc=False):
    """One record for the predictions stream."""

    data: bytes
    partition_key: str


def minutes(model: ServedModel, scorable: Sequence[ScorableRecord]) -> list[float]:
    """The model's minutes for each ride, in order; an error of the model's own is let through."""
    if not scorable:
        return []
    return list(
        model.predictor.predict(
            [item.event.ride for item in scorable], [item.record.arrived_at for item in scorable]
        ).tolist()
    )


def prediction(
    model: ServedModel, scored: ScorableRecord, ride_minutes: float, scored_at: datetime
) -> Prediction:
    """One prediction; below zero counts as zero. Raises `CannotScore` for NaN and infinity."""
    if not math.isfinite(ride_minutes):
        raise CannotScore("model_output", f"model version {model.version} gave {ride_minutes}")
    record, event = scored.record, scored.event
    return Prediction(
        model=model.name,
        version=model.version,
        prediction=RideDuration(ride_duration=max(0.0, ride_minutes), ride_id=event.ride_id),
        event_id=record.event_id,
        run_id=model.run_id,
        role=model.role,
        ride=event.ride,
        arrived_at=datetime.fromtimestamp(record.arrived_at, UTC),
        scored_at=scored_at,
    )


def encode(item: Prediction) -> OutputRecord:
    """The prediction as it goes on the wire: UTF-8 JSON, keyed by the ride."""
    return OutputRecord(_encoder.encode(item), str(item.prediction.ride_id))
