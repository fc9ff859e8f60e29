"""Decodes Kinesis records into ride events, or rejects. Pure: no AWS, environment or clock."""

import binascii
import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ride_scoring.domain.events import (
    FIRST_ZONE,
    LAST_ZONE,
    MAX_DISTANCE_MILES,
    MAX_RIDE_ID_CHARACTERS,
    PICKUP_YEARS,
    SCHEMA_VERSION,
    Arrival,
    KinesisRecord,
    Reject,
    RejectReason,
    RideEvent,
)
from ride_scoring.errors import UNREADABLE
from ride_scoring.streams import kpl

_LEAST_EVENT_BYTES: Final = 16
"""No event is this small. An aggregated record of very many empty events would exhaust memory with
one reject for each."""

_HALF: Final = rb"u[dD][89a-fA-F][0-9a-fA-F]{2}"
_PAIR: Final = rb"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPES: Final = re.compile(rb"(\\%b|\\(?!%b).)|\\%b" % (_PAIR, _HALF, _HALF), re.DOTALL)
"""Each escape of a JSON text; group 1 holds those that are not half a surrogate pair."""
_STAND_INS: Final = (rb"\ufffd", rb"\ufffe")
"""Two, so that a text that is read shows itself: it differs between them."""


class _Versioned(msgspec.Struct):
    schema_version: Any = SCHEMA_VERSION


_event_decoder = msgspec.json.Decoder(RideEvent)
_version_decoder = msgspec.json.Decoder(_Versioned)


class CannotScore(Exception):
    """A record that can never be scored: its reason code, and details."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: RejectReason = reason
        self.detail = detail


def arrivals(position: int, record: KinesisRecord) -> list[Arrival]:
    """The bytes of each event in one record, aggregated or not. Raises `CannotScore`."""
    try:
        # Lenient decoding would silently drop invalid characters, and whatever follows the padding.
        data = binascii.a2b_base64(record.data_base64, strict_mode=True)
    except (ValueError, TypeError) as error:  # a string that is not base64, or not a string
        raise CannotScore("not_base64", f"the data is not base64: {error}") from None
    if not data.startswith(kpl.MAGIC):
        key, at = record.partition_key, record.arrived_at
        return [Arrival(position, record.event_id, key, at, data)]
    try:
        user_records = kpl.user_records(data)
    except kpl.DamagedAggregate as error:
        raise CannotScore("kpl_damaged", str(error)) from None
    if len(user_records) * _LEAST_EVENT_BYTES > len(data):
        raise CannotScore("kpl_damaged", f"it has no room for {len(user_records)} events")
    return [
        Arrival(
            position, f"{record.event_id}:{index}", user.partition_key, record.arrived_at, user.data
        )
        for index, user in enumerate(user_records)
    ]


def decode(data: bytes) -> RideEvent:
    """The ride event in one event's bytes. Raises `CannotScore`."""
    try:
        event = _event_decoder.decode(data)
    except UnicodeDecodeError as error:
        raise CannotScore("not_utf8", error.reason) from None
    except msgspec.ValidationError as error:
        raise _invalid(data, str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        event = _without_surrogates(data, str(error))
    _check_ranges(event)
    return event


def reject(arrival: Arrival, cause: CannotScore, rejected_at: datetime) -> Reject:
    """The reject of one event."""
    data_base64 = binascii.b2a_base64(arrival.data, newline=False).decode()
    return _reject(arrival, data_base64, cause, rejected_at)


def reject_whole(record: KinesisRecord, cause: CannotScore, rejected_at: datetime) -> Reject:
    """The reject of a whole record, whose events cannot be separated."""
    return _reject(record, _text(str(record.data_base64)), cause, rejected_at)


def _reject(
    source: Arrival | KinesisRecord, data_base64: str, cause: CannotScore, rejected_at: datetime
) -> Reject:
    return Reject(
        event_id=source.event_id,
        reason=cause.reason,
        detail=cause.detail,
        data_base64=data_base64,
        partition_key=_text(source.partition_key),
        arrived_at=datetime.fromtimestamp(source.arrived_at, UTC),
        rejected_at=rejected_at,
    )


def _text(said: str) -> str:
    """The text with lone surrogates replaced: JSON can express them, UTF-8 cannot."""
    return said.encode(errors="replace").decode()


def _check_ranges(event: RideEvent) -> None:
    ride = event.ride
    if event.schema_version != SCHEMA_VERSION:
        raise _other_version(event.schema_version)
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


def _other_version(version: object) -> CannotScore:
    return CannotScore(
        "schema_version", f"schema_version is {version!r:.20}; must be {SCHEMA_VERSION}"
    )


def _invalid(data: bytes, detail: str) -> CannotScore:
    """An event of another schema version probably has another schema: report the version then."""
    try:
        version = _version_decoder.decode(_whole(data, _STAND_INS[0])).schema_version
    except UNREADABLE:
        return CannotScore("schema", detail)
    if type(version) is not int or version != SCHEMA_VERSION:
        return _other_version(version)
    return CannotScore("schema", detail)


def _without_surrogates(data: bytes, detail: str) -> RideEvent:
    """The event, where half a surrogate pair is all that the decoder stumbled over, and it stands
    where nothing is read. Raises `CannotScore`.

    JSON's grammar allows `"\\ud83d"` alone, and it stands for no character, so no text that is
    used, such as a ride's id, may hold one: RFC 8259, section 8.2.
    """
    events = []
    for stand_in in _STAND_INS:
        mended = _whole(data, stand_in)
        if mended == data:
            raise _malformed(data, detail)
        events.append(decode(mended))
    one, other = events
    if one != other:
        raise CannotScore("schema", "ride_id holds half a surrogate pair, which is not a character")
    return one


def _whole(data: bytes, stand_in: bytes) -> bytes:
    """The JSON text with a character in the place of each half of a surrogate pair."""
    return _ESCAPES.sub(lambda escape: escape[1] or stand_in, data)


def _malformed(data: bytes, detail: str) -> CannotScore:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return CannotScore("not_utf8", error.reason)
    return CannotScore("not_json", detail)
