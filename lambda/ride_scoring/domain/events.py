"""What the function scores, and what it says of it: ride events in, predicted durations out.

Field names in Python are the code's; `name=` gives the name on the wire.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from ride_scoring.errors import CannotScore
from ride_scoring.identity import ModelIdentity, Role

SCHEMA_VERSION: Final = 1
UNIT: Final = "minutes"
"""Of what is predicted."""
FIRST_ZONE: Final = 1
LAST_ZONE: Final = 265
"""Taxi zones of the TLC's zone table; 264 is "Unknown", 265 "Outside of NYC"."""
PICKUP_YEARS: Final = range(1970, 2200)
"""Outside of them a time cannot be turned into another zone's, or into seconds, on every system."""
MAX_RIDE_ID_CHARACTERS: Final = 256
"""`str(ride_id)` is the prediction's partition key, and Kinesis takes 1 to 256 characters."""
MAX_DISTANCE_MILES: Final = 200.0
"""A trip of more miles is a broken meter: TLC months hold some of up to 260,000."""


class Ride(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is known of a ride when it starts: zones 1 to 265, miles, New York local time."""

    pickup_zone: int = msgspec.field(name="PULocationID")
    dropoff_zone: int = msgspec.field(name="DOLocationID")
    trip_distance: float
    pickup_datetime: datetime | None = None


class RideEvent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One ride event. `ride_id` is kept as it came, a string or an integer.

    Fields that are not named here are ignored, whatever they hold. Of a field that stands twice,
    the last one counts. A `ride_id` with half a surrogate pair in it is refused: it is not text.
    """

    ride_id: int | str
    ride: Ride
    schema_version: int = SCHEMA_VERSION


class RideDuration(msgspec.Struct, frozen=True, gc=False):
    """Predicted minutes, finite and never negative, for the ride of that id."""

    ride_duration: float
    ride_id: int | str


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """One prediction. The first three keys are the record of the MLOps Zoomcamp's function.

    `event_id` is the identity of the Kinesis record that was scored: a reader drops by it what
    at-least-once delivery repeats.
    """

    model: str
    version: str
    prediction: RideDuration
    event_id: str
    run_id: str
    role: Role
    ride: Ride
    arrived_at: datetime
    scored_at: datetime


class GoldenRow(msgspec.Struct, frozen=True):
    """A ride, and the minutes that the model predicted for it when it was published."""

    input: Ride = msgspec.field(name="ride")
    predicted: float = msgspec.field(name="ride_duration")


def inputs(events: Sequence[RideEvent]) -> list[Ride]:
    """What a model is given of each event."""
    return [event.ride for event in events]


def partition_key(event: RideEvent) -> str:
    """The key under which an event's prediction is written: 1 to 256 characters."""
    return str(event.ride_id)


def prediction(
    event: RideEvent,
    minutes: float,
    model: ModelIdentity,
    event_id: str,
    arrived_at: datetime,
    scored_at: datetime,
) -> Prediction:
    """What is said of an event. A duration below zero counts as zero."""
    return Prediction(
        model.name,
        model.version,
        RideDuration(max(0.0, minutes), event.ride_id),
        event_id,
        model.run_id,
        model.role,
        event.ride,
        arrived_at,
        scored_at,
    )


def require_scorable(event: RideEvent) -> None:
    """Raises `CannotScore` where a value is out of range."""
    ride = event.ride
    if not FIRST_ZONE <= ride.pickup_zone <= LAST_ZONE:
        raise _outside("PULocationID", ride.pickup_zone, f"a zone from {FIRST_ZONE} to {LAST_ZONE}")
    if not FIRST_ZONE <= ride.dropoff_zone <= LAST_ZONE:
        raise _outside(
            "DOLocationID", ride.dropoff_zone, f"a zone from {FIRST_ZONE} to {LAST_ZONE}"
        )
    if not 0 <= ride.trip_distance <= MAX_DISTANCE_MILES:
        raise _outside(
            "trip_distance", ride.trip_distance, f"from 0 to {MAX_DISTANCE_MILES:g} miles"
        )
    pickup = ride.pickup_datetime
    if pickup is not None and pickup.year not in PICKUP_YEARS:
        years = f"a year from {PICKUP_YEARS.start} to {PICKUP_YEARS.stop - 1}"
        raise _outside("pickup_datetime", pickup.year, years)
    ride_id_characters = _characters(str(event.ride_id))
    if not 1 <= ride_id_characters <= MAX_RIDE_ID_CHARACTERS:
        raise CannotScore(
            "out_of_range",
            f"ride_id has {ride_id_characters} characters; must have 1 to {MAX_RIDE_ID_CHARACTERS}",
        )


def _characters(text: str) -> int:
    """Length in UTF-16 code units, as services written in Java count characters."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _outside(field: str, value: float, taken: str) -> CannotScore:
    kind = type(value).__name__
    return CannotScore("out_of_range", f"{field} is {value!s:.20} ({kind}); must be {taken}")
