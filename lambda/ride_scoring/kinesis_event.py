"""Lambda's Kinesis event in, typed records out. Source of the event's shape:
https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from collections.abc import Mapping
from typing import Any, Final

from ride_scoring.errors import NotAKinesisEvent
from ride_scoring.events import KinesisRecord

_YEAR_2200: Final = 7_258_118_400
"""In seconds since the epoch."""


def records(event: Mapping[str, Any]) -> list[KinesisRecord]:
    """The records of a Kinesis event, in the order in which Lambda will checkpoint them.

    An event without records has none. Raises `NotAKinesisEvent`.
    """
    try:
        return [_record(record) for record in event.get("Records") or ()]
    except (AttributeError, KeyError, TypeError) as error:
        raise NotAKinesisEvent(
            f"the event is none of a Kinesis event source mapping: {type(error).__name__}: {error}"
        ) from None


def answered(event: Mapping[str, Any], answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer as the event wants it: a mapping with tumbling windows takes one without a state
    for a failure, and gets back the one that it sent.
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
    """
    return {**answer, "state": event.get("state") or {}} if "window" in event else answer


def _record(record: Mapping[str, Any]) -> KinesisRecord:
    kinesis = record["kinesis"]
    arrived_at = kinesis["approximateArrivalTimestamp"]
    if not 0 <= arrived_at < _YEAR_2200:
        raise TypeError(f"approximateArrivalTimestamp is {arrived_at}")
    return KinesisRecord(
        record["eventID"],
        kinesis["sequenceNumber"],
        kinesis["partitionKey"],
        arrived_at,
        kinesis.get("data") or "",  # no data is no JSON: one reject, and not a batch that fails
    )
