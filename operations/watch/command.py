"""Implements `python -m operations watch`: watches streams on a live page or as lines."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import boto3
import msgspec
from botocore.config import Config

from infra.common import console
from operations.watch import plain
from operations.watch.board import Board
from operations.watch.feed import Feed, Sight
from stream_sim.kinesis.dead_letters import DeadLetters, rejects_bucket
from stream_sim.kinesis.reader import Checkpoints, StreamReader

_BUCKET: Final = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})
"""No retries: the next poll comes soon, and the streams are not read meanwhile."""
_CLOCKS_APART: Final = timedelta(minutes=1)
"""Skew allowance: this machine's clock starts the watch, and S3's dates the objects."""
_LOOK_BACK: Final = timedelta(hours=24)
"""Rejects are keyed by the hour their ride arrived, and few rides wait longer than this."""
_RATES_SECONDS: Final = 10
_LEAVING_SECONDS: Final = 1.0
"""Quitting does not wait for an unavailable endpoint."""


class Request(msgspec.Struct, frozen=True):
    """The command's options, as given; `every` and `duration` are in seconds."""

    events_stream: str
    stream: str
    rejects_bucket: str
    plain: bool
    as_json: bool
    every: float
    duration: float | None


def run(request: Request) -> None:
    """Watches until Ctrl-C, `q` or the end of `duration`, all of which exit normally.

    Raises `UserError` and boto3's errors, before the page opens or after it closes.
    """
    lines = request.plain or request.as_json or not console.out.is_terminal
    with contextlib.suppress(KeyboardInterrupt), _feed(request) as feed:
        (_print_lines if lines else _show_page)(request, feed)


@contextlib.contextmanager
def _feed(request: Request) -> Iterator[Feed]:
    began = datetime.now(UTC)
    session = boto3.Session()
    bucket = rejects_bucket(session.client("s3", config=_BUCKET), request.rejects_bucket)
    set_aside = DeadLetters(bucket, began - _CLOCKS_APART, look_back=_LOOK_BACK)
    events = StreamReader(
        request.events_stream, session, Checkpoints(began), "EVENTS_STREAM_NAME or --events-stream"
    )
    predictions = StreamReader(request.stream, session, Checkpoints(began))
    with events, predictions:
        yield Feed(events, predictions, set_aside, Board(began), _now)


def _now() -> datetime:
    return datetime.now(UTC)


def _print_lines(request: Request, feed: Feed) -> None:
    for figures, contact in plain.lines(feed, request.every, request.duration):
        if request.as_json:
            console.print_json(plain.line(figures, contact))
        else:
            console.out.print(plain.sentence(figures, contact), markup=False)


def _show_page(request: Request, feed: Feed) -> None:
    from operations.watch.app import WatchApp  # noqa: PLC0415 - lines need no Textual

    with _Reading(feed) as reading:
        app = WatchApp(
            f"{request.events_stream} ▸ {request.stream}", reading.look, request.duration
        )
        app.run()
    if app.error:
        raise app.error
    if app.return_code:  # a bug in the page, which Textual has reported
        sys.exit(app.return_code)


class _Reading:
    """Context manager in which a thread feeds the board while the page reads it."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read, name="feed", daemon=True)

    def __enter__(self) -> "_Reading":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(_LEAVING_SECONDS)

    def look(self) -> Sight:
        """Current snapshot. Raises the error that ended reading, if any."""
        if self._error:
            raise self._error
        return self._feed.sight(_RATES_SECONDS)

    def _read(self) -> None:
        try:
            while not self._stopped.is_set():
                self._feed.step()
        except Exception as error:  # noqa: BLE001 - raised by `look`, so that the page closes first
            self._error = error
