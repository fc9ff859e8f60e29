"""The contracts on the wire: ride events in, predictions and rejects out.

Field names in Python are the code's; `name=` gives the name on the wire.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

SCHEMA_VERSION: Final = 1
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


class KinesisRecord(msgspec.Struct, frozen=True, gc=False):
    """One record as Lambda hands it over, its data still in base64.

    `event_id` is `<shard id>:<sequence number>`; `arrived_at` is seconds since the epoch.
    """

    event_id: str
    sequence_number: str
    partition_key: str
    arrived_at: float
    data_base64: str


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """The bytes of one event: a whole Kinesis record, or one of many that a record aggregates.

    `position` is that of the Kinesis record in its batch. `event_id` is the record's, and of one of
    many `<shard id>:<sequence number>:<index>`. No two in a batch share one.
    """

    position: int
    event_id: str
    partition_key: str
    arrived_at: float
    data: bytes


RejectReason = Literal[
    "not_base64",
    "not_utf8",
    "not_json",
    "schema",
    "out_of_range",
    "schema_version",
    "kpl_damaged",
    "too_large",
    "model_output",
]
"""Why a record can never be scored: a closed set, so that it can be counted and alarmed on."""


class Reject(msgspec.Struct, frozen=True):
    """A record that can never be scored, with all that is needed to send it again."""

    event_id: str
    reason: RejectReason
    detail: str
    data_base64: str
    partition_key: str
    arrived_at: datetime
    rejected_at: datetime


Role = Literal["champion", "shadow"]
"""Whether a prediction is the answer, or what a model that is only tried out would have said."""


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
