"""Bytes that nobody would send as an event or a record in; a `Finding` where one of them is neither
scored nor set aside as it came.
"""

import base64
import re
from typing import Final

import msgspec

from ride_scoring.decode import decode
from ride_scoring.domain.events import RideEvent
from ride_scoring.errors import CannotScore
from ride_scoring.streams import kpl
from ride_scoring.streams.records import Arrival, KinesisRecord, Reject
from ride_scoring.streams.unpack import arrivals, reject, reject_whole
from tests.factories import ARRIVED_AT, NOW, record
from tests.fuzz.finding import require

_ENCODER: Final = msgspec.json.Encoder()
_LONGEST_KEY: Final = 256


def event(data: bytes) -> None:
    """One event, in a Kinesis record of its own."""
    _account(record(data))


def kinesis_record(data: bytes) -> None:
    """One Kinesis record: a line with its partition key, and its data in base64 or what is not."""
    key, _, text = data.partition(b"\n")
    _account(
        KinesisRecord(
            event_id="shardId-000000000000:1",
            sequence_number="1",
            partition_key=key.decode(errors="surrogateescape"),  # JSON can name half a pair
            arrived_at=ARRIVED_AT,
            data_base64=text.decode("latin-1"),
        )
    )


def _account(record: KinesisRecord) -> None:
    """Every event of the record is one that is scored, or a reject that gives its bytes back."""
    try:
        found = arrivals(0, record)
    except CannotScore as cause:
        whole = _require_written(reject_whole(record, cause, NOW))
        require(whole.reason in {"not_base64", "kpl_damaged"}, f"a record is set aside as {cause}")
        require(whole.data_base64 == record.data_base64, "a reject does not give its record back")
        _require_key(whole, record.partition_key)
        return
    require(found, "a record came to no event and no reject")
    data = base64.b64decode(record.data_base64)
    if not data.startswith(kpl.MAGIC):  # what is aggregated has targets of its own
        require([arrival.data for arrival in found] == [data], "an event is not its record's data")
    for arrival in found:
        try:
            _require_scorable(decode(arrival.data))
        except CannotScore as cause:
            _require_set_aside(arrival, cause)


def _require_scorable(event: RideEvent) -> None:
    ride = event.ride
    require(1 <= ride.pickup_zone <= 265, f"a ride from zone {ride.pickup_zone}")
    require(1 <= ride.dropoff_zone <= 265, f"a ride to zone {ride.dropoff_zone}")
    require(0.0 <= ride.trip_distance <= 200.0, f"a ride of {ride.trip_distance} miles")
    pickup = ride.pickup_datetime
    require(pickup is None or 1970 <= pickup.year <= 2199, f"a ride at {pickup}")
    key = str(event.ride_id).encode("utf-16-le")
    require(0 < len(key) // 2 <= _LONGEST_KEY, f"a partition key of {len(key) // 2} characters")
    require(decode(_ENCODER.encode(event)) == event, f"{event} is another once it is written")


def _require_set_aside(arrival: Arrival, cause: CannotScore) -> None:
    written = _require_written(reject(arrival, cause, NOW))
    require(
        base64.b64decode(written.data_base64, validate=True) == arrival.data,
        "a reject does not give its bytes back",
    )
    _require_key(written, arrival.partition_key)


def _require_key(written: Reject, partition_key: str) -> None:
    """Half a surrogate pair, which JSON can name, cannot be written."""
    require(
        written.partition_key == re.sub("[\ud800-\udfff]", "?", partition_key),
        "a reject does not give its partition key back",
    )


def _require_written(rejected: Reject) -> Reject:
    """As it is read back from a line of NDJSON."""
    line = _ENCODER.encode_lines([rejected])
    require(line.count(b"\n") == 1 and line.endswith(b"\n"), "a reject is not one line")
    read = msgspec.json.decode(line, type=Reject)
    require(read == rejected, f"{rejected} is another once it is written")
    return read
