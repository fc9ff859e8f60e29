"""What a shard reader reports to the stream reader, and the pipe it reports through."""

from datetime import datetime
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from ride_scoring.streams import kpl


class StreamRecord(msgspec.Struct, frozen=True):
    """One record of a stream; `arrived_at` is when the stream accepted it."""

    data: bytes
    partition_key: str
    sequence_number: str
    arrived_at: datetime

    def contents(self) -> list[bytes]:
        """Its data, or that of the user records aggregated in it by the Kinesis Producer Library.

        Raises `kpl.DamagedAggregate`.
        """
        if not kpl.is_aggregated(self.data):
            return [self.data]
        return [user.data for user in kpl.user_records(self.data)]


class ShardPage(msgspec.Struct, frozen=True, tag="page"):
    """The records of one GetRecords call, and how many milliseconds it is behind the shard's tip.

    `last_sequence_number` is empty if there are no records.
    """

    shard_id: str
    last_sequence_number: str
    records: list[StreamRecord]
    millis_behind: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A call that failed and will be retried."""

    why: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The error that ended the reader; a retry would fail the same way."""

    operation: str
    code: str
    message: str


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """The shard was read to its end, or has expired: it yields no more records."""


type Message = ShardPage | Failed | Refused | Closed

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)


def send(pipe: Connection, message: Message) -> None:
    """Blocks while the pipe is full. Raises `BrokenPipeError` if the other end is closed."""
    pipe.send_bytes(_encoder.encode(message))


def received(pipe: Connection) -> Message | None:
    """The next message from a pipe; None if the reader's process has ended."""
    try:
        return _decoder.decode(pipe.recv_bytes())
    except (EOFError, OSError):  # the latter in the middle of a page
        return None
