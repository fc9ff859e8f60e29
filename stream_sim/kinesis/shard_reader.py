"""Reads one shard in its own process, and sends pages of its records through a pipe.

kinesis-python's reader loses the last page of a shard that closes, ends when the network fails, and
outlives its parent. Its process and loop are used here, with a body that avoids this.
"""

import signal
import time
from multiprocessing import get_context
from typing import Any, Final, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from kinesis import consumer
from kinesis.exceptions import RETRY_EXCEPTIONS

from ride_scoring.backoff import full_jitter, system_random
from stream_sim.kinesis import pages
from stream_sim.kinesis.checkpoints import Checkpoints
from stream_sim.kinesis.pages import Closed, Failed, Message, Refused, ShardPage, StreamRecord

POLL_SECONDS: Final = 0.25
"""While there is more to read."""
_AT_THE_END_SECONDS: Final = 0.5
"""Kinesis allows five reads a second per shard, across all readers: one for the function's mapping,
and two each for a verify and a watch.
https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html"""
PATIENCE: Final = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})
"""The loop retries by itself, so that every failed attempt is reported."""
_ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Other start methods use a fresh interpreter, which cannot be given a boto3 session. A reader
# forked while other threads run, such as those of watch's page, inherits their locks locked for
# good, so it must take none of them. Only the reading thread uses the session and its clients,
# Python reinitializes its import and logging locks, and the reader prints nothing.
_FORK: Final = get_context("fork")


class ShardReader(consumer.ShardReader):  # type: ignore[misc]
    """`pages` is the receiving end of the pipe.

    Each reader has its own pipe: a killed one leaves a shared queue locked. A full pipe blocks the
    reader, which holds one page at a time.
    """

    shard_iter: str | None

    def __init__(
        self, stream_name: str, shard_id: str, place: Checkpoints, session: boto3.Session
    ) -> None:
        self.pages, into = _FORK.Pipe(duplex=False)
        self._names = {"StreamName": stream_name, "ShardId": shard_id}
        self._place = place
        super().__init__(shard_id, None, into, None, session, POLL_SECONDS)

    def start(self) -> None:
        """Start the process. Ctrl-C reaches it too, but only its parent handles that."""
        self.process = _FORK.Process(target=self.run)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING_SIGNALS)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.record_queue.close()  # so the pipe ends when the process does

    def shutdown(self) -> None:
        """Kill rather than ask: it may be blocked on a pipe that nobody drains."""
        self.process.kill()
        self.process.join()
        self.pages.close()
        # A new list: at exit the library iterates over the old one, and calls this.
        ShardReader._INSTANCES = [reader for reader in self._INSTANCES if reader is not self]

    def begin(self) -> None:
        # While another process holds the reading end of a pipe, its writer does not notice that the
        # parent has died.
        for reader in self._INSTANCES:
            reader.pages.close()
        self.client = self.boto3_session.client("kinesis", config=PATIENCE)
        self.retries = 0

    def loop(self) -> float | Literal[False]:
        """Read one page. Returns seconds until the next, or False if there is none."""
        began = time.monotonic()
        try:
            message = self._message()
            pages.send(self.record_queue, message)
            if isinstance(message, ShardPage) and self.shard_iter is None:
                pages.send(self.record_queue, Closed())
                return False
        except BrokenPipeError:  # the parent has died
            return False
        if isinstance(message, Refused | Closed):
            return False
        if isinstance(message, Failed):
            self.retries += 1
            return POLL_SECONDS + full_jitter(POLL_SECONDS, self.retries, system_random)
        self.retries = 0
        pause = POLL_SECONDS if message.millis_behind else _AT_THE_END_SECONDS
        return max(0.0, pause - (time.monotonic() - began))

    def _message(self) -> Message:
        try:
            return self._page()
        except BotoCoreError as error:
            return Failed(str(error))
        except ClientError as error:
            return self._failed(error)

    def _page(self) -> ShardPage:
        if self.shard_iter is None:
            where = self._place.get_iterator_args(self.shard_id)
            self.shard_iter = self.client.get_shard_iterator(**self._names, **where)[
                "ShardIterator"
            ]
        answer = self.client.get_records(ShardIterator=self.shard_iter)
        records = [_record(found) for found in answer["Records"]]
        last = records[-1].sequence_number if records else ""
        if last:
            self._place.checkpoint(self.shard_id, last)
        self.shard_iter = answer.get("NextShardIterator")
        return ShardPage(self.shard_id, last, records, answer.get("MillisBehindLatest", 0))

    def _failed(self, error: ClientError) -> Message:
        code = error.response["Error"]["Code"]
        message = error.response["Error"].get("Message", "")
        if code == "ResourceNotFoundException":
            return Closed()
        if code == "ExpiredIteratorException":
            self.shard_iter = None  # the pipe was full for five minutes
        elif not (self._is_early(error) or _may_pass(error)):
            return Refused(error.operation_name, code, message)
        return Failed(f"{code}: {message}")

    def _is_early(self, error: ClientError) -> bool:
        """Kinesis rejects timestamps ahead of its clock, and our clock may be ahead of it."""
        return (
            error.operation_name == "GetShardIterator"
            and error.response["Error"]["Code"] == "InvalidArgumentException"
            and "Timestamp" in self._place.get_iterator_args(self.shard_id)
        )


def _may_pass(error: ClientError) -> bool:
    """Whether the cause was throttling, of the stream or of its encryption key, or a server
    error."""
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return code in RETRY_EXCEPTIONS or "Throttling" in code or status >= 500


def _record(found: dict[str, Any]) -> StreamRecord:
    return StreamRecord(
        found["Data"],
        found["PartitionKey"],
        found["SequenceNumber"],
        found["ApproximateArrivalTimestamp"],
    )
