"""Kinesis records in, ride events or rejects out. Pure: no AWS, no environment, no clock."""

import binascii
from datetime import UTC, datetime
from typing import Any

import msgspec

from ride_scoring.events import (
    FIRST_ZONE,
    LAST_ZONE,
    MAX_DISTANCE_MILES,
    MAX_RIDE_ID_CHARACTERS,
    PICKUP_YEARS,
    SCHEMA_VERSION,
    KinesisRecord,
    Reject,
    RejectReason,
    RideEvent,
)


class _Versioned(msgspec.Struct):
    schema_version: Any = SCHEMA_VERSION


_event_decoder = msgspec.json.Decoder(RideEvent)
_version_decoder = msgspec.json.Decoder(_Versioned)


class CannotScore(Exception):
    """A record that can never be scored, with its reason code and what was wrong."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: RejectReason = reason
        self.detail = detail


def decode(data_base64: str) -> RideEvent:
    """The ride event in one record's data. Raises `CannotScore`."""
    try:
        event = _event_decoder.decode(binascii.a2b_base64(data_base64))
    except binascii.Error as error:
        raise CannotScore("not_json", f"the data is no base64: {error}") from None
    except UnicodeDecodeError as error:
        raise CannotScore("not_utf8", error.reason) from None
    except msgspec.ValidationError as error:
        raise _invalid(data_base64, str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(data_base64, str(error)) from None
    _check_ranges(event)
    return event


def reject(record: KinesisRecord, cause: CannotScore, rejected_at: datetime) -> Reject:
    """What is set aside of a record that can never be scored."""
    return Reject(
        event_id=record.event_id,
        reason=cause.reason,
        detail=cause.detail,
        data_base64=record.data_base64,
        partition_key=record.partition_key,
        arrived_at=datetime.fromtimestamp(record.arrived_at, UTC),
        rejected_at=rejected_at,
    )


def _check_ranges(event: RideEvent) -> None:
    ride = event.ride
    if event.schema_version != SCHEMA_VERSION:
        raise _other_version(event.schema_version)
    if not FIRST_ZONE <= ride.pickup_zone <= LAST_ZONE:
        raise _outside("PULocationID", ride.pickup_zone, f"zones {FIRST_ZONE} to {LAST_ZONE}")
    if not FIRST_ZONE <= ride.dropoff_zone <= LAST_ZONE:
        raise _outside("DOLocationID", ride.dropoff_zone, f"zones {FIRST_ZONE} to {LAST_ZONE}")
    if not 0 <= ride.trip_distance <= MAX_DISTANCE_MILES:
        raise _outside("trip_distance", ride.trip_distance, f"0 to {MAX_DISTANCE_MILES:g} miles")
    if ride.pickup_datetime is not None and ride.pickup_datetime.year not in PICKUP_YEARS:
        years = f"years {PICKUP_YEARS.start} to {PICKUP_YEARS.stop - 1}"
        raise _outside("pickup_datetime", ride.pickup_datetime.year, years)
    ride_id_characters = len(str(event.ride_id))
    if not 1 <= ride_id_characters <= MAX_RIDE_ID_CHARACTERS:
        raise CannotScore(
            "out_of_range",
            f"ride_id has {ride_id_characters} characters; 1 to {MAX_RIDE_ID_CHARACTERS} are taken",
        )


def _outside(field: str, value: float, taken: str) -> CannotScore:
    return CannotScore("out_of_range", f"{field} is {value!s:.20}; {taken} are scored")


def _other_version(version: object) -> CannotScore:
    return CannotScore(
        "schema_version", f"schema_version is {version!r:.20}; {SCHEMA_VERSION} is read"
    )


def _invalid(data_base64: str, detail: str) -> CannotScore:
    """A record of another schema version may well have another schema: say the deeper cause."""
    try:
        version = _version_decoder.decode(binascii.a2b_base64(data_base64)).schema_version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return CannotScore("schema", detail)
    if type(version) is not int or version != SCHEMA_VERSION:
        return _other_version(version)
    return CannotScore("schema", detail)


def _malformed(data_base64: str, detail: str) -> CannotScore:
    try:
        binascii.a2b_base64(data_base64).decode()
    except UnicodeDecodeError as error:
        return CannotScore("not_utf8", error.reason)
    return CannotScore("not_json", detail)
