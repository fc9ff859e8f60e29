"""A stream's name and a place in it in, pages of its records out, for as long as it is asked.

kinesis-python's consumer, which has a process read each shard. Its own iterator says nothing while
nothing arrives, swallows Ctrl-C, and lists the shards anew every half minute, so its parts are
driven here.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from multiprocessing import connection
from typing import Final, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from kinesis.consumer import KinesisConsumer

from stream_sim.kinesis.checkpoint import Place
from stream_sim.kinesis.pages import Closed, Failed, Page, Refused, StreamRecord, received
from stream_sim.kinesis.shard_reader import PATIENCE, POLL_SECONDS, ShardReader
from stream_sim.kinesis.streams import missing

__all__ = ["Page", "Place", "StreamReader", "StreamRecord"]

_LISTED_SECONDS: Final = 15.0
"""How often shards are listed again where none has ended."""
_SOON_SECONDS: Final = 1.0
"""How soon they are where one has: it closed, and has children, or its reader has to start anew."""

# What goes wrong is told by `trouble`; without a handler the library's words go to the terminal.
logging.getLogger("kinesis.consumer").addHandler(logging.NullHandler())


class _Consumer(KinesisConsumer):  # type: ignore[misc]
    """Lists shards by pages where its base knows the first hundred, and starts none again that was
    read to its end."""

    def __init__(self, stream_name: str, session: boto3.Session, place: Place) -> None:
        # Not by its base, which would open two queues that nobody uses.
        self.stream_name = stream_name
        self.boto3_session = session
        self.state = place
        self.kinesis_client = session.client("kinesis", config=PATIENCE)
        self.shards: dict[str, ShardReader] = {}
        self.closed: set[str] = set()

    def setup_shards(self) -> None:
        listing = self.kinesis_client.get_paginator("list_shards")
        for page in listing.paginate(StreamName=self.stream_name):
            for shard_id in (shard["ShardId"] for shard in page["Shards"]):
                if shard_id not in self.shards and shard_id not in self.closed:
                    self.shards[shard_id] = ShardReader(
                        self.stream_name, shard_id, self.state, self.boto3_session
                    )


class StreamReader:
    """A context that reads one stream, from its start unless `place` says otherwise.

    `place` says how far it came: whoever keeps its `known` can go on from there another time. It
    goes on through throttling, a network that is away, dead readers and resharding: a record is
    never lost, and never given twice in one shard. The order is that of each shard alone.
    """

    def __init__(
        self,
        stream_name: str,
        session: boto3.Session,
        place: Place | None = None,
        named_in: str = "PREDICTIONS_STREAM_NAME or --stream",
    ) -> None:
        """`named_in` is where a user names the stream."""
        self.place = place or Place()
        self._named_in = named_in
        self._consumer = _Consumer(stream_name, session, self.place)
        self._list_at = 0.0
        self._answered_at: dict[str, float] = {}
        self._behind: dict[str, int] = {}
        self._trouble: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Raises `UserError` where the stream is not there, and boto3's errors."""
        try:
            self._list()
        except BaseException:
            self._consumer.shutdown()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.shutdown()

    def pages(self) -> Iterator[Page]:
        """The pages that arrived since the last call; waits up to 0.25 s where there are none.

        Raises `UserError` where the stream is not there any more, and `ClientError` where it may
        not be read.
        """
        if time.monotonic() >= self._list_at:
            self._list_patiently()
        shards = {reader.pages: shard for shard, reader in self._consumer.shards.items()}
        for pages in connection.wait(list(shards), POLL_SECONDS):
            assert isinstance(pages, connection.Connection)  # noqa: S101 - as it was given
            page = self._page(shards[pages], pages)
            if page and page.records:
                self.place.checkpoint(page.shard_id, page.last_sequence_number)
                yield page

    # Another thread may ask for these: a list is made of what changes meanwhile.

    @property
    def silent_seconds(self) -> float:
        """How long the shard that was quiet for longest has given no answer."""
        now = time.monotonic()
        return max((now - at for at in list(self._answered_at.values())), default=0.0)

    @property
    def trouble(self) -> str | None:
        """Why a shard gives no answer, as far as its reader knows."""
        return next(iter(list(self._trouble.values())), None)

    @property
    def millis_behind(self) -> int:
        """Of the shard that is furthest behind its end, when it was last read."""
        return max(list(self._behind.values()), default=0)

    def _page(self, shard_id: str, pages: connection.Connection) -> Page | None:
        match received(pages):
            case Page() as page:
                self._answered_at[shard_id] = time.monotonic()
                self._behind[shard_id] = page.millis_behind
                self._trouble.pop(shard_id, None)
                return self._unread(page)
            case Failed(why):
                self._trouble[shard_id] = why
            case Closed():
                self._consumer.closed.add(shard_id)
            case Refused(operation, code, message):
                raise ClientError({"Error": {"Code": code, "Message": message}}, operation)
            case None:
                self._ended(shard_id)
        return None

    def _unread(self, page: Page) -> Page:
        seen = self.place.passed
        records = [
            record for record in page.records if not seen(page.shard_id, record.sequence_number)
        ]
        return Page(page.shard_id, page.last_sequence_number, records, page.millis_behind)

    def _ended(self, shard_id: str) -> None:
        self._consumer.shutdown_shard_reader(shard_id)
        self._list_at = min(self._list_at, time.monotonic() + _SOON_SECONDS)
        if shard_id in self._consumer.closed:
            for known in (self._answered_at, self._behind, self._trouble):
                known.pop(shard_id, None)

    def _list_patiently(self) -> None:
        # The readers have the same trouble, and tell of it.
        with contextlib.suppress(ClientError, BotoCoreError):
            self._list()

    def _list(self) -> None:
        self._list_at = time.monotonic() + _SOON_SECONDS
        try:
            self._consumer.setup_shards()
        except (
            ParamValidationError,
            self._consumer.kinesis_client.exceptions.ResourceNotFoundException,
        ) as error:
            raise missing(self._consumer.stream_name, self._named_in) from error
        self._list_at = time.monotonic() + _LISTED_SECONDS
        for shard_id in self._consumer.shards:
            self._answered_at.setdefault(shard_id, time.monotonic())
