"""What the streams and the rejects bucket hold in, onto the board; one step at a time.

An endpoint that is away is no error here: what is looked at next says so, and goes on when it is
back.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ride_scoring import decode, kpl
from ride_scoring.events import Prediction, Ride
from stream_sim.reader import Page, StreamReader, StreamRecord
from stream_sim.set_aside import FailedRecord
from stream_sim.watch.aside import Aside
from stream_sim.watch.board import Board
from stream_sim.watch.figures import Course, Figures, Places

_BUCKET_SECONDS: Final = 5.0
"""A listing costs as much as thirty reads of a stream."""
_SILENT_SECONDS: Final = 5.0
"""A shard answers four times a second; one that does not for this long is spoken of."""

_NO_PREDICTION: Final = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,
    kpl.DamagedAggregate,
)

_decoder: Final = msgspec.json.Decoder(Prediction)


class Contact(msgspec.Struct, frozen=True):
    """Whether what is shown is up to date: seconds without an answer, where that is long, why, and
    how many milliseconds of the streams are still to be read."""

    silent_seconds: float | None
    trouble: str | None
    millis_behind: int


class Sight(msgspec.Struct, frozen=True):
    """All that a page shows, of one moment."""

    figures: Figures
    course: Course
    places: Places
    contact: Contact


class Feed:
    """Feeds one board. `step` and the looks at it may be in two threads."""

    def __init__(
        self,
        events: StreamReader,
        predictions: StreamReader,
        aside: Aside,
        board: Board,
        now: Callable[[], datetime],
    ) -> None:
        """Raises `UserError` where the bucket is not there or not ours to read."""
        self._events = events
        self._predictions = predictions
        self._aside = aside
        self._board = board
        self._now = now
        self._lock = threading.Lock()
        self._bucket_trouble: str | None = None
        self._read_bucket()
        self._bucket_at = self._bucket_answered_at = time.monotonic()

    def step(self) -> None:
        """Reads what arrived; waits a moment where nothing did. Raises `UserError`, and boto3's
        errors where another try would come to the same."""
        for page in self._events.pages():
            rides = list(_rides(page))
            with self._lock:
                for at, ride in rides:
                    self._board.took_in(at, ride)
        for page in self._predictions.pages():
            predictions = list(_predictions(page))
            with self._lock:
                for at, prediction in predictions:
                    self._board.predicted(at, prediction)
        if time.monotonic() - self._bucket_at >= _BUCKET_SECONDS:
            self._read_bucket_patiently()

    def sight(self, over_seconds: int) -> Sight:
        """All that there is to see now, rates and latencies over so many seconds."""
        now = self._now()
        with self._lock:
            board = self._board
            return Sight(
                board.figures(now, over_seconds),
                board.course(now),
                board.places(now),
                self.contact(),
            )

    def figures(self, over_seconds: int) -> Figures:
        """The figures alone."""
        with self._lock:
            return self._board.figures(self._now(), over_seconds)

    def contact(self) -> Contact:
        """Whether the figures are up to date."""
        streams = (self._events, self._predictions)
        quietest = max(streams, key=lambda stream: stream.silent_seconds)
        silent, trouble = quietest.silent_seconds, quietest.trouble
        bucket_silent = time.monotonic() - self._bucket_answered_at
        if self._bucket_trouble and bucket_silent > silent:
            silent, trouble = bucket_silent, self._bucket_trouble
        behind = max(stream.millis_behind for stream in streams)
        if silent < _SILENT_SECONDS:
            return Contact(None, None, behind)
        return Contact(silent, trouble, behind)

    def _read_bucket_patiently(self) -> None:
        try:
            self._read_bucket()
        except (BotoCoreError, ClientError) as error:
            self._bucket_trouble = str(error)
        else:
            self._bucket_trouble = None
            self._bucket_answered_at = time.monotonic()
        self._bucket_at = time.monotonic()

    def _read_bucket(self) -> None:
        for reject in self._aside.rejects():
            with self._lock:
                self._board.rejected(reject)
        for record in self._aside.failures():
            with self._lock:
                self._board.gave_up(record.event_id, _rides_in(record))


def _rides(page: Page) -> Iterator[tuple[datetime, Ride | None]]:
    for record in page.records:
        for data in _contents(record):
            try:
                yield record.arrived_at, decode.decode(data).ride
            except decode.CannotScore:
                yield record.arrived_at, None


def _contents(record: StreamRecord) -> list[bytes]:
    """A damaged aggregate is one reject, whatever was in it."""
    try:
        return record.contents()
    except kpl.DamagedAggregate:
        return [record.data]


def _predictions(page: Page) -> Iterator[tuple[datetime, Prediction]]:
    for record in page.records:
        # What is no prediction, or damaged, is none of the function's.
        with contextlib.suppress(*_NO_PREDICTION):
            for data in record.contents():
                yield record.arrived_at, _decoder.decode(data)


def _rides_in(record: FailedRecord) -> int:
    try:
        return len(kpl.user_records(record.data)) if kpl.is_aggregated(record.data) else 1
    except kpl.DamagedAggregate:
        return 1
