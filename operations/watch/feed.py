"""Feeds the board from the streams and the rejects bucket, one step at a time.

An unavailable endpoint is not an error here: it is reported in the next view, and reading resumes
when it is back.
"""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Final

import msgspec

from infra.common import console
from operations.watch.board import Board
from operations.watch.figures import Figures, Places, Trend
from ride_scoring import decode
from ride_scoring.domain.events import Ride
from ride_scoring.errors import CannotScore
from ride_scoring.streams import kpl
from stream_sim.kinesis.dead_letters import DeadLetters, unpacked
from stream_sim.kinesis.predictions import predictions
from stream_sim.kinesis.reader import ShardPage, StreamReader, StreamRecord

_BUCKET_SECONDS: Final = 5.0
"""A listing costs as much as thirty reads of a stream."""
_SILENT_SECONDS: Final = 5.0
"""Shards respond twice a second; longer silence than this is reported."""


class Contact(msgspec.Struct, frozen=True):
    """Whether the view is up to date: seconds without a response, if that is long, the reason, and
    how many milliseconds the readers lag behind the streams."""

    silent_seconds: float | None
    trouble: str | None
    millis_behind: int


class Sight(msgspec.Struct, frozen=True):
    """Snapshot of everything that a page shows."""

    figures: Figures
    trend: Trend
    places: Places
    contact: Contact


class Feed:
    """Feeds one board. `step` and the read methods may run in different threads."""

    def __init__(
        self,
        events: StreamReader,
        predictions: StreamReader,
        set_aside: DeadLetters,
        board: Board,
        now: Callable[[], datetime],
    ) -> None:
        """Raises `UserError` if the bucket does not exist or may not be read."""
        self._events = events
        self._predictions = predictions
        self._set_aside = set_aside
        self._board = board
        self._now = now
        self._lock = threading.Lock()
        self._read_bucket()
        self._bucket_at = time.monotonic()

    def step(self) -> None:
        """Reads new arrivals; waits briefly if there are none. Raises `UserError`, and boto3's
        errors that retrying cannot fix."""
        for page in self._events.pages():
            rides = list(_rides(page))
            with self._lock:
                for at, ride in rides:
                    self._board.took_in(at, ride)
        for page in self._predictions.pages():
            found = list(predictions(page))
            with self._lock:
                for at, prediction in found:
                    self._board.predicted(at, prediction)
        if time.monotonic() - self._bucket_at >= _BUCKET_SECONDS:
            with self._set_aside.patiently():
                self._read_bucket()
            self._bucket_at = time.monotonic()

    def sight(self, over_seconds: int) -> Sight:
        """Current snapshot, with rates and latencies over `over_seconds`."""
        now = self._now()
        with self._lock:
            board = self._board
            return Sight(
                board.figures(now, over_seconds),
                board.trend(now),
                board.places(now),
                self.contact(),
            )

    def figures(self, over_seconds: int) -> Figures:
        """Current figures only."""
        with self._lock:
            return self._board.figures(self._now(), over_seconds)

    def contact(self) -> Contact:
        """Whether the figures are up to date."""
        sources = (self._events, self._predictions, self._set_aside)
        silent, trouble = max(
            ((source.silent_seconds, source.trouble) for source in sources), key=itemgetter(0)
        )
        behind = max(self._events.millis_behind, self._predictions.millis_behind)
        if silent < _SILENT_SECONDS:
            return Contact(None, None, behind)
        return Contact(silent, trouble and console.without_keys(trouble), behind)

    def _read_bucket(self) -> None:
        for reject in self._set_aside.new_rejects():
            with self._lock:
                self._board.rejected(reject)
        for record in self._set_aside.new_failures():
            with self._lock:
                self._board.gave_up(record.event_id, len(unpacked(record)))


def _rides(page: ShardPage) -> Iterator[tuple[datetime, Ride | None]]:
    for record in page.records:
        for data in _contents(record):
            try:
                yield record.arrived_at, decode.decode(data).ride
            except CannotScore:
                yield record.arrived_at, None


def _contents(record: StreamRecord) -> list[bytes]:
    """The record's events; a damaged aggregate counts as one, because it becomes one reject."""
    try:
        return record.contents()
    except kpl.DamagedAggregate:
        return [record.data]
