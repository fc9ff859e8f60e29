"""Writes predictions to a stream with PutRecords, in order, retrying only what was refused."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from ride_scoring.backoff import full_jitter, system_random
from ride_scoring.errors import AwsError
from ride_scoring.ports import CALL_SECONDS, Streams
from ride_scoring.streams import put_records
from ride_scoring.streams.records import OutputRecord, Put

_LEAST_SECONDS: Final = 0.5
"""With less time left than this, no further call is started."""
_BASE_WAIT_SECONDS: Final = 0.05

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
_THROTTLES: Final = frozenset(
    {
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
    }
)

logger = logging.getLogger(__name__)


class PredictionSink:
    """Writes to one Kinesis stream. `sleep` waits seconds; `jitter` gives a number from 0 to 1.

    `reserved_seconds` of the function's remaining time are kept for its response. `aggregate` packs
    predictions into aggregated records of the Kinesis Producer Library (KPL).
    """

    def __init__(
        self,
        kinesis: Streams,
        stream_name: str,
        *,
        reserved_seconds: float = 2.0,
        aggregate: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = system_random,
    ) -> None:
        self._kinesis = kinesis
        self._stream_name = stream_name
        self._reserved_seconds = reserved_seconds
        self._aggregate = aggregate
        self._sleep = sleep
        self._jitter = jitter

    def put(self, records: Sequence[OutputRecord], seconds_left: Callable[[], float]) -> Put:
        """Writes the records.

        Only the refused records of a call are retried, and each call waits until the previous one
        is complete, as PutRecords does not preserve order across retries.
        """
        outgoing = put_records.aggregated(records) if self._aggregate else records
        done, retried, throttled = 0, 0, 0
        for call in put_records.calls(outgoing):
            put = self._put_call(call, seconds_left)
            done, retried = done + put.done, retried + put.retried
            throttled += put.throttled
            if put.failure is not None:
                return Put(done, retried, throttled, put.failure)
        return Put(done, retried, throttled)

    def _put_call(self, call: Sequence[OutputRecord], seconds_left: Callable[[], float]) -> Put:
        """Makes one call and retries what it refused, until all is written or time runs out."""
        pending: Sequence[int] = range(len(call))
        wait, attempt, retried, throttled = 0.0, 0, 0, 0
        failure = "no time was left for a call"
        # Each call is limited to the time that is left before `reserved_seconds`.
        while (seconds := seconds_left() - wait - self._reserved_seconds) >= _LEAST_SECONDS:
            if attempt:
                self._sleep(wait)
                retried += len(pending)
            records = [call[i] for i in pending]
            refused, hopeless = self._put_once(records, min(seconds, CALL_SECONDS))
            throttled += sum(1 for code in refused if code in _THROTTLES)
            failure = next((code for code in refused if code), failure)
            pending = [index for index, code in zip(pending, refused, strict=True) if code]
            if not pending:
                return Put(_held(call), retried, throttled)
            if hopeless:
                break  # fail the batch at once: the event source mapping retries it
            wait = full_jitter(_BASE_WAIT_SECONDS, attempt, self._jitter)
            attempt += 1
        failure = f"{self._stream_name} did not take {len(pending)} records in time: {failure}"
        return Put(_held(call[: pending[0]]), retried, throttled, failure)

    def _put_once(
        self, records: Sequence[OutputRecord], seconds: float
    ) -> tuple[list[str | None], bool]:
        """For each record None or its error code; and whether an immediate retry is pointless."""
        try:
            body = put_records.body(self._stream_name, records)
            return self._kinesis.put_records(body, len(records), seconds), False
        except AwsError as error:
            logger.warning("PutRecords to %s failed: %s", self._stream_name, error)
            return [error.code] * len(records), error.hopeless


def _held(records: Sequence[OutputRecord]) -> int:
    """How many predictions are in the records."""
    return sum(record.holds for record in records)
