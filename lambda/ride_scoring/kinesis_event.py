"""Lambda's Kinesis event in, typed records out. Source of the event's shape:
https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from collections.abc import Mapping
from typing import Any

from ride_scoring.errors import NotAKinesisEvent
from ride_scoring.events import KinesisRecord


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


def _record(record: Mapping[str, Any]) -> KinesisRecord:
    kinesis = record["kinesis"]
    return KinesisRecord(
        record["eventID"],
        kinesis["sequenceNumber"],
        kinesis["partitionKey"],
        kinesis["approximateArrivalTimestamp"],
        kinesis.get("data") or "",  # no data is no JSON: one reject, and not a batch that fails
    )
