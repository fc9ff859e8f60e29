"""The predictions in a page of the predictions stream; anything else is skipped."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from ride_scoring.domain import Prediction
from ride_scoring.errors import UNREADABLE
from ride_scoring.streams import kpl
from stream_sim.kinesis.pages import ShardPage, StreamRecord

_decoder: Final = msgspec.json.Decoder(Prediction)


def predictions(page: ShardPage) -> Iterator[tuple[datetime, Prediction]]:
    """Each with the time the stream accepted it."""
    for record in page.records:
        for found in filter(None, map(_prediction, _contents(record))):
            yield record.arrived_at, found


def _contents(record: StreamRecord) -> list[bytes]:
    with contextlib.suppress(kpl.DamagedAggregate):
        return record.contents()
    return []


def _prediction(data: bytes) -> Prediction | None:
    try:
        found = _decoder.decode(data)
    except UNREADABLE:
        return None
    # The function's times have a zone, and one without cannot be compared to them.
    return found if found.arrived_at.tzinfo else None
