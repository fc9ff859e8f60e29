"""Scores events with a model, one predict call for a whole batch. Pure."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from ride_scoring import domain
from ride_scoring.errors import CannotScore
from ride_scoring.models.served import ScorableEvent, ServedModel
from ride_scoring.streams.records import OutputRecord

MAX_RECORD_BYTES: Final = 1024 * 1024 - 1024
"""Data and partition key of one record of a stream, unless the stream was made for larger ones,
less what an aggregated record has around it:
https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html"""

_encode = msgspec.json.Encoder().encode
_utc = datetime.fromtimestamp


def predicted(
    model: ServedModel, scorable: Sequence[ScorableEvent], out_of_time: Callable[[], bool]
) -> list[float | CannotScore]:
    """The model's number for each event, in order, or why there is none.

    One predict for all. Where the model fails on them, each half is tried by itself, down to the
    events that it fails on; the list is shorter than `scorable` where time ran out meanwhile.
    """
    if not scorable:
        return []
    try:
        return [*model.predict(scorable)]
    except Exception as error:  # noqa: BLE001 - a model can fail in any way of its own
        if len(scorable) == 1:
            # Only the error's type: its message may quote the event.
            failed = f"model version {model.version} fails on it: {type(error).__name__}"
            return [CannotScore("model_output", failed)]
    return _predicted_by_halves(model, scorable, out_of_time)


def _predicted_by_halves(
    model: ServedModel, scorable: Sequence[ScorableEvent], out_of_time: Callable[[], bool]
) -> list[float | CannotScore]:
    middle = len(scorable) // 2
    first = predicted(model, scorable[:middle], out_of_time)
    if len(first) < middle or out_of_time():
        return first
    return first + predicted(model, scorable[middle:], out_of_time)


def prediction(
    model: ServedModel, scored: ScorableEvent, number: float | CannotScore, at: datetime
) -> OutputRecord:
    """One prediction as it goes on the wire: UTF-8 JSON, under the event's partition key.

    Raises `CannotScore` for NaN, infinity, and what is too large for a stream.
    """
    if isinstance(number, CannotScore):
        raise number
    if not math.isfinite(number):
        raise CannotScore("model_output", f"model version {model.version} gave {number}")
    arrival, event = scored.arrival, scored.event
    data = _encode(
        domain.prediction(event, number, model, arrival.event_id, _utc(arrival.arrived_at, UTC), at)
    )
    key = domain.partition_key(event)
    if len(data) + 4 * len(key) > MAX_RECORD_BYTES:  # a character is at most four bytes
        raise CannotScore("too_large", f"its prediction has {len(data)} bytes")
    return OutputRecord(data, key)
