"""A parcel that was handed in, and the hours until its delivery."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from ride_scoring.errors import CannotScore
from ride_scoring.identity import ModelIdentity, Role

SCHEMA_VERSION: Final = 2
UNIT: Final = "hours"
MODEL_NAME: Final = "delivery-time"
PINNED_MODEL_NAME: Final = "delivery-time"
PREDICTIONS_STREAM_NAME: Final = "delivery-times"
DEPOTS: Final = ("Bergen", "Oslo", "Tromsø")
MAX_WEIGHT_KG: Final = 35.0


class Parcel(msgspec.Struct, frozen=True, gc=False):
    """Depots are among `DEPOTS`."""

    weight_kg: float
    depot: str
    destination: str


class ParcelEvent(msgspec.Struct, frozen=True, gc=False):
    """One parcel, by the code on its label."""

    label: str
    parcel: Parcel
    schema_version: int = SCHEMA_VERSION


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """Predicted hours, never negative."""

    hours: float
    label: str


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """One prediction, as it is on the wire."""

    model: str
    version: str
    prediction: Delivery
    event_id: str
    run_id: str
    role: Role
    parcel: Parcel
    arrived_at: datetime
    scored_at: datetime


class GoldenRow(msgspec.Struct, frozen=True):
    """A parcel, and the hours that were predicted for it at publication."""

    input: Parcel = msgspec.field(name="parcel")
    predicted: float = msgspec.field(name="hours")


def inputs(events: Sequence[ParcelEvent]) -> list[Parcel]:
    return [event.parcel for event in events]


def partition_key(event: ParcelEvent) -> str:
    return event.label


def prediction(
    event: ParcelEvent,
    hours: float,
    model: ModelIdentity,
    event_id: str,
    arrived_at: datetime,
    scored_at: datetime,
) -> Prediction:
    return Prediction(
        model.name,
        model.version,
        Delivery(max(0.0, hours), event.label),
        event_id,
        model.run_id,
        model.role,
        event.parcel,
        arrived_at,
        scored_at,
    )


def require_scorable(event: ParcelEvent) -> None:
    parcel = event.parcel
    if not 0 < parcel.weight_kg <= MAX_WEIGHT_KG:
        raise CannotScore("out_of_range", f"weight_kg must be above 0 and at most {MAX_WEIGHT_KG}")
    for depot in (parcel.depot, parcel.destination):
        if depot not in DEPOTS:
            raise CannotScore("out_of_range", f"a depot must be one of {', '.join(DEPOTS)}")
    if not event.label:
        raise CannotScore("out_of_range", "label is empty")
