"""Predictions in, PutRecords out: nothing refused is forgotten, nothing is sent out of turn."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from ride_scoring import put_records
from ride_scoring.errors import AwsError
from ride_scoring.ports import CALL_SECONDS, Streams
from ride_scoring.predictions import OutputRecord

_BASE_WAIT_SECONDS: Final = 0.05
_MAX_WAIT_SECONDS: Final = 2.0

_THROTTLES: Final = frozenset(
    {"ProvisionedThroughputExceededException", "LimitExceededException", "ThrottlingException"}
)
_HOPELESS_CODES: Final = frozenset(
    {"AccessDeniedException", "ResourceNotFoundException", "ValidationException"}
)
"""What waiting a minute does not mend: the batch is given back at once, and the mapping retries."""

logger = logging.getLogger(__name__)


class Put(msgspec.Struct, frozen=True):
    """What became of some records: how many of them, from the first on, are in for sure; how many
    were sent again, and how many times one was refused because the stream was busy.
    """

    done: int
    retried: int = 0
    throttled: int = 0


class PredictionSink:
    """Writes to one Kinesis stream. `sleep` waits seconds; `jitter` gives a number from 0 to 1.

    `reserved_seconds` of the function's time are left for its answer. `aggregate` packs predictions
    into records of the Kinesis Producer Library's.
    """

    def __init__(
        self,
        kinesis: Streams,
        stream_name: str,
        *,
        reserved_seconds: float = 2.0,
        aggregate: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._kinesis = kinesis
        self._stream_name = stream_name
        self.needed_seconds = reserved_seconds + CALL_SECONDS
        self._aggregate = aggregate
        self._sleep = sleep
        self._jitter = jitter

    def put(self, records: Sequence[OutputRecord], seconds_left: Callable[[], float]) -> Put:
        """Writes the records.

        Only the refused ones of a call are tried again, and no call is made before the one before
        it is done: PutRecords keeps no order among what it retries.
        """
        outgoing = put_records.aggregated(records) if self._aggregate else records
        done, retried, throttled = 0, 0, 0
        for call in put_records.calls(outgoing):
            put = self._put_call(call, seconds_left)
            done, retried, throttled = (
                done + put.done,
                retried + put.retried,
                throttled + put.throttled,
            )
            if put.done < _held(call):
                break
        return Put(done, retried, throttled)

    def _put_call(self, call: Sequence[OutputRecord], seconds_left: Callable[[], float]) -> Put:
        """One call, and again with what was refused of it, until all is in or time runs out."""
        pending: Sequence[int] = range(len(call))
        wait, attempt, retried, throttled = 0.0, 0, 0, 0
        # A call is begun only where its end is inside the function's time, however long it takes.
        while seconds_left() - wait >= self.needed_seconds:
            if attempt:
                self._sleep(wait)
                retried += len(pending)
            refused = self._put_once([call[index] for index in pending])
            throttled += sum(1 for code in refused if code in _THROTTLES)
            pending = [index for index, code in zip(pending, refused, strict=True) if code]
            if not pending:
                return Put(_held(call), retried, throttled)
            if any(code in _HOPELESS_CODES for code in refused):
                break
            wait = self._jitter() * min(_MAX_WAIT_SECONDS, _BASE_WAIT_SECONDS * 2**attempt)
            attempt += 1
        logger.warning("%s did not take %d records in time", self._stream_name, len(pending))
        return Put(_held(call[: pending[0]]), retried, throttled)

    def _put_once(self, records: Sequence[OutputRecord]) -> list[str | None]:
        """For each record None, or the code that it was refused with."""
        try:
            return self._kinesis.put_records(put_records.body(self._stream_name, records))
        except AwsError as error:
            logger.warning("PutRecords to %s failed: %s", self._stream_name, error)
            return [error.code] * len(records)


def _held(records: Sequence[OutputRecord]) -> int:
    """How many predictions are in the records."""
    return sum(record.holds for record in records)
