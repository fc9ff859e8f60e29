"""Lambda's Kinesis event in, typed records out. Source of the event's shape:
https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from collections.abc import Mapping
from typing import Any

from ride_scoring.events import KinesisRecord


def records(event: Mapping[str, Any]) -> list[KinesisRecord]:
    """The records of a Kinesis event, in the order in which Lambda will checkpoint them."""
    return [_record(record) for record in event.get("Records", ())]


def _record(record: Mapping[str, Any]) -> KinesisRecord:
    kinesis = record["kinesis"]
    return KinesisRecord(
        event_id=record["eventID"],
        sequence_number=kinesis["sequenceNumber"],
        partition_key=kinesis["partitionKey"],
        arrived_at=kinesis["approximateArrivalTimestamp"],
        data_base64=kinesis["data"],
    )
