"""Unpacks Kinesis records into the events that they hold, and makes rejects of what fails."""

import binascii
from datetime import UTC, datetime
from typing import Final

from ride_scoring.errors import CannotScore
from ride_scoring.streams import kpl
from ride_scoring.streams.records import Arrival, KinesisRecord, Reject

_LEAST_EVENT_BYTES: Final = 16
"""No event is this small. An aggregated record of very many empty events would exhaust memory with
one reject for each."""


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
