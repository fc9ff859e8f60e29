"""Reads the selected events, and any damage, from objects in the rejects bucket."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from infra.common.bucket import Bucket, Listed
from operations.redrive import places
from operations.redrive.options import Selection
from ride_scoring.errors import UNREADABLE, RejectReason
from ride_scoring.streams.records import Reject
from stream_sim.kinesis.dead_letters import failed_records, unpacked

_PARTITION_KEY_CHARACTERS: Final = range(1, 257)
"""https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecordsRequestEntry.html"""

_reject_decoder = msgspec.json.Decoder(Reject)


class Event(msgspec.Struct, frozen=True):
    """An event to resend unchanged; `reason` is why it was rejected, None if it failed.

    `record_id` is the id of the record that held it, if it failed: possibly an aggregate.
    """

    event_id: str
    partition_key: str
    data: bytes
    reason: RejectReason | None
    record_id: str | None = None


class Document(msgspec.Struct, frozen=True):
    """One object: its events, what in it cannot be read or sent, and how many of its rejects never
    came from a stream and so cannot be resent."""

    key: str
    events: tuple[Event, ...]
    damage: str | None
    from_no_stream: int = 0


def listed(bucket: Bucket, selection: Selection) -> list[Listed]:
    """The objects that may hold selected events, in the order of their keys."""
    found = [
        entry for place in places.of_objects(bucket, selection) for entry in bucket.listed(*place)
    ]
    if selection.since is None:
        return found
    # A reject is older than its object, so older objects need not be read.
    slack = places.CLOCKS_APART if selection.source == "rejects" else timedelta()
    return [entry for entry in found if entry.written_at + slack >= selection.since]


def read(
    bucket: Bucket, objects: Sequence[Listed], selection: Selection, record_bytes: int
) -> Iterator[Document]:
    """Reads the objects one by one; the stream does not accept records larger than `record_bytes`,
    including the partition key."""
    for entry in objects:
        found = bucket.get(entry.key)
        # The object may have expired since it was listed.
        if found is None:
            yield Document(entry.key, (), None)
        else:
            yield document(entry.key, found.body, selection, record_bytes)


def document(key: str, body: bytes, selection: Selection, record_bytes: int) -> Document:
    """Parses the object with that key."""
    events: list[Event] = []
    damages: list[str] = []
    from_no_stream = 0
    found = _rejects(body, selection) if selection.source == "rejects" else _failures(body)
    for event in found:
        if isinstance(event, str):
            damages.append(event)
        elif event.reason == "not_base64":
            from_no_stream += 1
        elif cause := _unsendable(event, record_bytes):
            damages.append(cause)
        else:
            events.append(event)
    return Document(key, tuple(events), _together(damages), from_no_stream)


def _unsendable(event: Event, record_bytes: int) -> str | None:
    """Why the stream would refuse the event, and with it the whole call; None if it would not."""
    if len(event.partition_key) not in _PARTITION_KEY_CHARACTERS:
        return f"the partition key of {event.event_id} cannot be put into a stream"
    size = len(event.data) + len(event.partition_key.encode())
    if size > record_bytes:
        return f"{event.event_id} has {size:,} bytes, and the stream takes {record_bytes:,}"
    return None


def _rejects(body: bytes, selection: Selection) -> Iterator[Event | str]:
    for number, line in enumerate(body.splitlines(), start=1):
        try:
            reject = _reject_decoder.decode(line)
            if selection.takes(reject.reason, reject.rejected_at):
                # Lambda base64-encodes stream data, so this did not come from a stream.
                given = reject.reason != "not_base64"
                data = msgspec.convert(reject.data_base64, bytes) if given else b""
                yield Event(reject.event_id, reject.partition_key, data, reject.reason)
        except UNREADABLE as error:
            yield f"line {number}: {error}"


def _failures(body: bytes) -> Iterator[Event | str]:
    try:
        found = failed_records(body)
    except UNREADABLE as error:
        yield str(error)
        return
    if not found:
        yield "it holds no records of a stream"
    # Unpacked: with enhanced fan-out, Lambda drops aggregated events that belong to other shards.
    for record in found:
        for event in unpacked(record):
            yield Event(event.event_id, event.partition_key, event.data, None, record.event_id)


def _together(damages: list[str]) -> str | None:
    if not damages:
        return None
    more = f", and {len(damages) - 1} more such" if len(damages) > 1 else ""
    return damages[0] + more
