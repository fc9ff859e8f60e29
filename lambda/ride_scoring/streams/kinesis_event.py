"""Lambda's Kinesis event in, typed records out. Source of the event's shape:
https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ride_scoring.errors import NotAKinesisEvent
from ride_scoring.streams.records import KinesisRecord

_YEAR_2200: Final = 7_258_118_400
"""In seconds since the epoch."""
_DIGEST_CHARACTERS: Final = 16


def records(event: Mapping[str, Any]) -> list[KinesisRecord]:
    """The records of a Kinesis event, in the order in which Lambda will checkpoint them.

    Only an empty list, and the end of a tumbling window, are an event without records: another
    service's event, or a bare record, would be lost without a word. Raises `NotAKinesisEvent`.
    """
    try:
        return _unique([_record(record) for record in _listed(event)])
    except (AttributeError, KeyError, TypeError) as error:
        raise NotAKinesisEvent(
            "this is not an event of a Kinesis event source mapping: "
            f"{type(error).__name__}: {error}"
        ) from None


def _listed(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the event lists as `Records`. Raises `TypeError` where that is not a list."""
    found = event.get("Records")
    if found is None and event.get("isFinalInvokeForWindow") is True:
        return []
    if not isinstance(found, list):
        kind = "missing" if "Records" not in event else f"of the type {type(found).__name__}"
        raise TypeError(f"`Records` is {kind}, where a list is expected")
    return found


def distinct_ids(records: Sequence[tuple[str, str, str]]) -> list[str]:
    """The `event_id`s of records given as (event_id, partition key, data in base64), each once.

    With enhanced fan-out, Lambda takes the Kinesis Producer Library's aggregates apart itself, and
    AWS does not say whether the records that come of one share their sequence number. Readers drop
    repeats by `event_id`, so those that do share it get a suffix made from their content, and not
    from their place in a batch that may begin elsewhere when it is retried; identical ones are
    numbered. One that comes without the others cannot be told from any other record.
    """
    counted = Counter(event_id for event_id, _, _ in records)
    if len(counted) == len(records):
        return list(counted)
    taken: Counter[str] = Counter()
    distinct = []
    for event_id, partition_key, data_base64 in records:
        name = event_id
        if counted[event_id] > 1:
            content = f"{partition_key}\n{data_base64}".encode(errors="surrogatepass")
            name = f"{event_id}:{hashlib.sha256(content).hexdigest()[:_DIGEST_CHARACTERS]}"
        distinct.append(f"{name}-{taken[name]}" if taken[name] else name)
        taken[name] += 1
    return distinct


def answer(event: Mapping[str, Any], not_done_from: str | None) -> Mapping[str, Any]:
    """The response of ReportBatchItemFailures: Lambda retries from that sequence number on.

    A mapping with tumbling windows treats a response without `state` as a failure, so its state is
    echoed: https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
    """
    failures = [] if not_done_from is None else [{"itemIdentifier": not_done_from}]
    if "window" in event:
        return {"batchItemFailures": failures, "state": event.get("state") or {}}
    return {"batchItemFailures": failures}


def _unique(records: list[KinesisRecord]) -> list[KinesisRecord]:
    if len({record.event_id for record in records}) == len(records):
        return records
    ids = distinct_ids([(r.event_id, r.partition_key, str(r.data_base64)) for r in records])
    return [
        msgspec.structs.replace(record, event_id=event_id)
        for record, event_id in zip(records, ids, strict=True)
    ]


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
