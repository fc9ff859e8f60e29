"""Reads a stream from a checkpoint and yields pages of its records, for as long as it is asked.

Built on kinesis-python's consumer, which reads each shard in a process. Its own iterator is silent
while nothing arrives, swallows Ctrl-C, and lists the shards again every half minute, so its parts
are driven from here.
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

from stream_sim.kinesis.checkpoints import Checkpoints
from stream_sim.kinesis.pages import Closed, Failed, Refused, ShardPage, StreamRecord, received
from stream_sim.kinesis.shard_reader import PATIENCE, POLL_SECONDS, ShardReader
from stream_sim.kinesis.streams import missing

__all__ = ["Checkpoints", "ShardPage", "StreamReader", "StreamRecord"]

_LISTED_SECONDS: Final = 15.0
"""How often shards are listed again while none has ended."""
_SOON_SECONDS: Final = 1.0
"""The delay once one has ended: it closed and has children, or its reader must restart."""

# Errors are reported by `trouble`; without a handler the library would log to the terminal.
logging.getLogger("kinesis.consumer").addHandler(logging.NullHandler())


class _Consumer(KinesisConsumer):  # type: ignore[misc]
    """Lists all pages of shards where its base class lists the first hundred, and does not restart
    shards that were read to their end."""

    def __init__(self, stream_name: str, session: boto3.Session, place: Checkpoints) -> None:
        # Bypasses the base class's initializer, which would open two unused queues.
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
    """A context manager that reads one stream, from its start unless `place` says otherwise.

    `place` is its progress: whoever saves its `known` can resume later. It survives throttling,
    network outages, dead readers and resharding: records are never lost, and never repeated within
    a shard. Order is guaranteed per shard only.
    """

    def __init__(
        self,
        stream_name: str,
        session: boto3.Session,
        place: Checkpoints | None = None,
        named_in: str = "PREDICTIONS_STREAM_NAME or --stream",
    ) -> None:
        """`named_in` is where a user sets the stream's name."""
        self.place = place or Checkpoints()
        self._named_in = named_in
        self._consumer = _Consumer(stream_name, session, self.place)
        self._list_at = 0.0
        self._answered_at: dict[str, float] = {}
        self._behind: dict[str, int] = {}
        self._trouble: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Raises `UserError` if the stream does not exist, and boto3's errors."""
        try:
            self._list()
        except BaseException:
            self._consumer.shutdown()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.shutdown()

    def pages(self) -> Iterator[ShardPage]:
        """The pages that arrived since the last call; waits up to 0.25 s if there are none.

        Raises `UserError` if the stream no longer exists, and `ClientError` if reading it is
        denied.
        """
        if time.monotonic() >= self._list_at:
            self._list_patiently()
        shards = {reader.pages: shard for shard, reader in self._consumer.shards.items()}
        for pages in connection.wait(list(shards), POLL_SECONDS):
            assert isinstance(pages, connection.Connection)  # noqa: S101 - as passed in
            page = self._page(shards[pages], pages)
            if page and page.records:
                self.place.checkpoint(page.shard_id, page.last_sequence_number)
                yield page

    # Called from other threads, too: copy collections that may change meanwhile.

    @property
    def silent_seconds(self) -> float:
        """How long the shard that has been silent longest has not responded."""
        now = time.monotonic()
        return max((now - at for at in list(self._answered_at.values())), default=0.0)

    @property
    def trouble(self) -> str | None:
        """Why a shard does not respond, as far as its reader knows."""
        return next(iter(list(self._trouble.values())), None)

    @property
    def millis_behind(self) -> int:
        """Of the shard furthest behind its tip, as of its last read."""
        return max(list(self._behind.values()), default=0)

    def _page(self, shard_id: str, pages: connection.Connection) -> ShardPage | None:
        match received(pages):
            case ShardPage() as page:
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

    def _unread(self, page: ShardPage) -> ShardPage:
        seen = self.place.passed
        records = [
            record for record in page.records if not seen(page.shard_id, record.sequence_number)
        ]
        return ShardPage(page.shard_id, page.last_sequence_number, records, page.millis_behind)

    def _ended(self, shard_id: str) -> None:
        self._consumer.shutdown_shard_reader(shard_id)
        self._list_at = min(self._list_at, time.monotonic() + _SOON_SECONDS)
        if shard_id in self._consumer.closed:
            for known in (self._answered_at, self._behind, self._trouble):
                known.pop(shard_id, None)

    def _list_patiently(self) -> None:
        # The readers hit the same error, and report it.
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
