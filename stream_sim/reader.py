"""A stream's name in, its records out, from the first one on: kinesis-python's consumer.

Its own iterator says nothing while nothing arrives and swallows Ctrl-C, so its parts are driven
here: one reader process a shard, a queue, and a state object that keeps the place.
"""

import contextlib
import logging
import multiprocessing
import queue
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Self

import boto3
import msgspec
from kinesis.consumer import KinesisConsumer

from ride_scoring import kpl

_POLL_SECONDS: Final = 0.25
"""Kinesis allows five reads a second and shard."""
_SETUP_SECONDS: Final = 15.0
"""How often shards are listed again and dead readers started anew."""

# The readers are started with a closure, which only forked processes can be given.
multiprocessing.set_start_method("fork", force=True)
# It warns of a reader that stopped on an error it cannot mend; the deadline says what came of it.
logging.getLogger("kinesis.consumer").addHandler(logging.NullHandler())


class StreamRecord(msgspec.Struct, frozen=True):
    """One record of a stream; `arrived_at` is when the stream took it."""

    data: bytes
    partition_key: str
    arrived_at: datetime

    def contents(self) -> list[bytes]:
        """Its data, or that of the records that the Kinesis Producer Library packed in it."""
        if not kpl.is_aggregated(self.data):
            return [self.data]
        return [user.data for user in kpl.user_records(self.data)]


class Place:
    """kinesis-python's state: where each shard's reader stands. One process reads, so no lock."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def get_iterator_args(self, shard: str) -> Mapping[str, str]:
        if shard not in self._last:
            return {"ShardIteratorType": "TRIM_HORIZON"}
        return {
            "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
            "StartingSequenceNumber": self._last[shard],
        }

    def lock_shard(self, _shard: str, _seconds: int) -> bool:
        return True

    def checkpoint(self, shard: str, sequence_number: str) -> None:
        self._last[shard] = sequence_number

    def passed(self, shard: str, sequence_number: str) -> bool:
        """Whether the record was read: a reader started anew repeats what lay in the queue."""
        last = self._last.get(shard)
        return last is not None and int(sequence_number) <= int(last)


class StreamReader:
    """A context that reads one stream from its start."""

    def __init__(self, stream_name: str, session: boto3.Session) -> None:
        self._place = Place()
        self._consumer: Any = KinesisConsumer(
            stream_name, session, state=self._place, reader_sleep_time=_POLL_SECONDS
        )
        self._set_up_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Killed, not asked: one that still holds records for us would wait until they are taken.
        for reader in self._consumer.shards.values():
            reader.process.kill()
        self._consumer.shutdown()

    def arrived(self) -> Iterator[StreamRecord]:
        """The records that arrived since the last call; waits a moment where there are none."""
        if time.monotonic() - self._set_up_at > _SETUP_SECONDS:
            self._consumer.setup_shards()
            self._set_up_at = time.monotonic()
        with contextlib.suppress(queue.Empty):
            yield from self._unseen(*self._consumer.record_queue.get(timeout=_POLL_SECONDS))
            while True:
                yield from self._unseen(*self._consumer.record_queue.get_nowait())

    def _unseen(self, shard_id: str, response: Mapping[str, Any]) -> Iterator[StreamRecord]:
        shard = self._consumer.state_shard_id(shard_id)
        for record in response["Records"]:
            if self._place.passed(shard, record["SequenceNumber"]):
                continue
            self._place.checkpoint(shard, record["SequenceNumber"])
            yield StreamRecord(
                record["Data"], record["PartitionKey"], record["ApproximateArrivalTimestamp"]
            )
