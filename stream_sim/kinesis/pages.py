"""What a shard's reader says to whoever reads the stream, and the pipe that it says it through."""

from datetime import datetime
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from ride_scoring.streams import kpl


class StreamRecord(msgspec.Struct, frozen=True):
    """One record of a stream; `arrived_at` is when the stream took it."""

    data: bytes
    partition_key: str
    sequence_number: str
    arrived_at: datetime

    def contents(self) -> list[bytes]:
        """Its data, or that of the records that the Kinesis Producer Library packed in it.

        Raises `kpl.DamagedAggregate`.
        """
        if not kpl.is_aggregated(self.data):
            return [self.data]
        return [user.data for user in kpl.user_records(self.data)]


class Page(msgspec.Struct, frozen=True, tag="page"):
    """What one call read of a shard, and how many milliseconds it is behind the shard's end.

    `last_sequence_number` is empty where there are no records.
    """

    shard_id: str
    last_sequence_number: str
    records: list[StreamRecord]
    millis_behind: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A call that came to nothing and will be tried again."""

    why: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The error with which the reader ended; another try would come to the same."""

    operation: str
    code: str
    message: str


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """The shard was read to its end, or is not kept any more: no more comes of it."""


type Message = Page | Failed | Refused | Closed

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)


def send(pipe: Connection, message: Message) -> None:
    """Waits while the pipe is full. Raises `BrokenPipeError` where nobody holds its other end."""
    pipe.send_bytes(_encoder.encode(message))


def received(pipe: Connection) -> Message | None:
    """The next message of a pipe; None where the reader's process has ended."""
    try:
        return _decoder.decode(pipe.recv_bytes())
    except (EOFError, OSError):  # the latter in the middle of a page
        return None
