"""Records in, a Kinesis stream out: paced, and only what was refused is sent again."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from infra.console import UserError
from ride_scoring.events import RejectReason
from ride_scoring.put_records import MAX_RECORDS_A_CALL
from stream_sim.ledger import Intended, Ledger, Taken

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

_TICK_SECONDS: Final = 0.1
"""How much of a second one put carries at the asked rate, up to what one call takes."""
_PATIENCE_SECONDS: Final = 30.0
"""How long a stream may refuse or be away before sending is given up."""
_RETRIED_CODES: Final = frozenset(
    {"ProvisionedThroughputExceededException", "InternalFailure", "ServiceUnavailable"}
)


class OutgoingRide(msgspec.Struct, frozen=True):
    """One record to send; `reason` is why the function must reject it, None where it must not."""

    ride_id: str
    data: bytes
    reason: RejectReason | None

    @property
    def partition_key(self) -> str:
        return self.ride_id


class Producer:
    """Sends to one stream and keeps the ledger."""

    def __init__(self, kinesis: "KinesisClient", stream_name: str, ledger: Ledger) -> None:
        self._puts = Puts(kinesis, stream_name)
        self._ledger = ledger

    def send(self, rides: Sequence[OutgoingRide], rate: float, sent: Callable[[int], None]) -> None:
        """Sends at `rate` rides a second and calls `sent` with each number that the stream took."""

        def note(taken: Sequence[tuple[OutgoingRide, str]], sent_at: float) -> None:
            self._ledger.write(Taken(ride.ride_id, event_id, sent_at) for ride, event_id in taken)
            sent(len(taken))

        started = time.monotonic()
        for first, chunk in _chunks(rides, rate):
            time.sleep(max(0.0, started + first / rate - time.monotonic()))
            self._ledger.write(Intended(ride.ride_id, ride.reason) for ride in chunk)
            self._puts.put(chunk, note)


class Outgoing(Protocol):
    """What a stream is given: bytes, and the key that says which shard they go to."""

    @property
    def partition_key(self) -> str: ...
    @property
    def data(self) -> bytes: ...


class Puts:
    """PutRecords on one stream, again with what was refused, until it was refused for too long."""

    def __init__(self, kinesis: "KinesisClient", stream_name: str) -> None:
        self._kinesis = kinesis
        self._stream_name = stream_name

    def put[R: Outgoing](
        self, records: Sequence[R], taken: Callable[[Sequence[tuple[R, str]], float], None]
    ) -> None:
        """Puts what one call holds, and calls `taken` after each call that was answered: with the
        records that the stream took, the `event_id` of each, and when the call began, in seconds
        since the epoch. Raises `UserError`, and boto3's errors where waiting mends nothing.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pending, attempt = list(records), 0
        while pending:
            sent_at = time.time()
            held, pending, refusal = self._put_once(pending)
            taken(held, sent_at)
            if pending and time.monotonic() > deadline:
                raise UserError(
                    f"{self._stream_name} refused rides for {_PATIENCE_SECONDS:.0f} s: {refusal}"
                )
            if pending:
                most = min(2.0, 0.05 * 2**attempt)
                time.sleep(random.uniform(0, most))  # noqa: S311 - jitter, not a secret
                attempt += 1

    def _put_once[R: Outgoing](
        self, records: Sequence[R]
    ) -> tuple[list[tuple[R, str]], list[R], str]:
        """What the stream took, what it did not, and the last refusal."""
        entries: list[PutRecordsRequestEntryTypeDef] = [
            {"Data": record.data, "PartitionKey": record.partition_key} for record in records
        ]
        try:
            response = self._kinesis.put_records(Records=entries, StreamName=self._stream_name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _RETRIED_CODES:
                raise
            return [], list(records), str(error)
        except BotoCoreError as error:
            return [], list(records), str(error)
        taken: list[tuple[R, str]] = []
        refused: list[R] = []
        refusal = ""
        for record, result in zip(records, response["Records"], strict=True):
            if result.get("ErrorCode"):
                refused.append(record)
                refusal = f"{result['ErrorCode']}: {result['ErrorMessage']}"
            else:
                taken.append((record, f"{result['ShardId']}:{result['SequenceNumber']}"))
        return taken, refused, refusal


def _chunks(
    rides: Sequence[OutgoingRide], rate: float
) -> Iterator[tuple[int, Sequence[OutgoingRide]]]:
    """The rides in runs for one put each, with the index of the first."""
    size = max(1, min(MAX_RECORDS_A_CALL, round(rate * _TICK_SECONDS)))
    for first in range(0, len(rides), size):
        yield first, rides[first : first + size]
