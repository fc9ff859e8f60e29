"""Records in, a Kinesis stream out: paced, and only what was refused is sent again."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

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


class Producer:
    """Sends to one stream and keeps the ledger."""

    def __init__(self, kinesis: "KinesisClient", stream_name: str, ledger: Ledger) -> None:
        self._kinesis = kinesis
        self._stream_name = stream_name
        self._ledger = ledger

    def send(self, rides: Sequence[OutgoingRide], rate: float, sent: Callable[[int], None]) -> None:
        """Sends at `rate` rides a second and calls `sent` with each number that the stream took."""
        started = time.monotonic()
        for first, chunk in _chunks(rides, rate):
            time.sleep(max(0.0, started + first / rate - time.monotonic()))
            self._ledger.write(Intended(ride.ride_id, ride.reason) for ride in chunk)
            self._put(chunk, sent)

    def _put(self, chunk: Sequence[OutgoingRide], sent: Callable[[int], None]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pending, attempt = list(chunk), 0
        while pending:
            sent_at = time.time()
            taken, pending, refusal = self._put_once(pending, sent_at)
            self._ledger.write(taken)
            sent(len(taken))
            if pending and time.monotonic() > deadline:
                raise UserError(
                    f"{self._stream_name} refused rides for {_PATIENCE_SECONDS:.0f} s: {refusal}"
                )
            if pending:
                most = min(2.0, 0.05 * 2**attempt)
                time.sleep(random.uniform(0, most))  # noqa: S311 - jitter, not a secret
                attempt += 1

    def _put_once(
        self, rides: Sequence[OutgoingRide], sent_at: float
    ) -> tuple[list[Taken], list[OutgoingRide], str]:
        """What the stream took, what it did not, and the last refusal."""
        entries: list[PutRecordsRequestEntryTypeDef] = [
            {"Data": ride.data, "PartitionKey": ride.ride_id} for ride in rides
        ]
        try:
            response = self._kinesis.put_records(Records=entries, StreamName=self._stream_name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _RETRIED_CODES:
                raise
            return [], list(rides), str(error)
        except BotoCoreError as error:
            return [], list(rides), str(error)
        taken: list[Taken] = []
        refused: list[OutgoingRide] = []
        refusal = ""
        for ride, result in zip(rides, response["Records"], strict=True):
            if result.get("ErrorCode"):
                refused.append(ride)
                refusal = f"{result['ErrorCode']}: {result['ErrorMessage']}"
            else:
                event_id = f"{result['ShardId']}:{result['SequenceNumber']}"
                taken.append(Taken(ride.ride_id, event_id, sent_at))
        return taken, refused, refusal


def _chunks(
    rides: Sequence[OutgoingRide], rate: float
) -> Iterator[tuple[int, Sequence[OutgoingRide]]]:
    """The rides in runs for one put each, with the index of the first."""
    size = max(1, min(MAX_RECORDS_A_CALL, round(rate * _TICK_SECONDS)))
    for first in range(0, len(rides), size):
        yield first, rides[first : first + size]
