"""Predictions in, PutRecords out: nothing refused is forgotten, nothing is sent out of turn."""

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from ride_scoring.predictions import OutputRecord

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
MAX_RECORDS_A_CALL: Final = 500
MAX_BYTES_A_CALL: Final = 5 * 1024 * 1024

RESERVED_SECONDS: Final = 2.0
"""What must be left of the function's time for the answer."""
CALL_SECONDS: Final = 5.0
"""What one call may take at most; `handler` sets the client's timeouts to it."""
_BASE_WAIT_SECONDS: Final = 0.05
_MAX_WAIT_SECONDS: Final = 2.0

_HOPELESS_CODES: Final = frozenset(
    {"AccessDeniedException", "ResourceNotFoundException", "ValidationException"}
)
"""What waiting a minute does not mend: the batch is given back at once, and the mapping retries."""

logger = logging.getLogger(__name__)


class PredictionSink:
    """Writes to one Kinesis stream. `sleep` waits seconds; `jitter` gives a number from 0 to 1."""

    def __init__(
        self,
        kinesis: "KinesisClient",
        stream_name: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._kinesis = kinesis
        self._stream_name = stream_name
        self._sleep = sleep
        self._jitter = jitter

    def put(self, records: Sequence[OutputRecord], seconds_left: Callable[[], float]) -> int:
        """Writes the records; returns how many of them, from the first on, are done for sure.

        Only the refused entries of a chunk are tried again, and no chunk is sent before the one
        before it is done: PutRecords keeps no order among what it retries.
        """
        done = 0
        for chunk in _chunks(records):
            if (refused := self._put_chunk(chunk, seconds_left)) is not None:
                return done + refused
            done += len(chunk)
        return done

    def _put_chunk(
        self, chunk: Sequence[OutputRecord], seconds_left: Callable[[], float]
    ) -> int | None:
        """None when all are in, otherwise the index of the first that is not."""
        pending = list(range(len(chunk)))
        wait, attempt = 0.0, 0
        # A call is begun only where its end is inside the function's time, however long it takes.
        while seconds_left() - wait >= CALL_SECONDS + RESERVED_SECONDS:
            self._sleep(wait)
            try:
                pending = self._put_once(chunk, pending)
            except (ClientError, BotoCoreError) as error:
                logger.warning("PutRecords to %s failed: %s", self._stream_name, _code(error))
                if _code(error) in _HOPELESS_CODES:
                    return pending[0]
            if not pending:
                return None
            wait = self._jitter() * min(_MAX_WAIT_SECONDS, _BASE_WAIT_SECONDS * 2**attempt)
            attempt += 1
        logger.warning("%d predictions were not taken in time", len(pending))
        return pending[0]

    def _put_once(self, chunk: Sequence[OutputRecord], pending: Sequence[int]) -> list[int]:
        """The indices that the stream did not take."""
        entries: list[PutRecordsRequestEntryTypeDef] = [
            {"Data": chunk[index].data, "PartitionKey": chunk[index].partition_key}
            for index in pending
        ]
        response = self._kinesis.put_records(Records=entries, StreamName=self._stream_name)
        return [
            index
            for index, result in zip(pending, response["Records"], strict=True)
            if result.get("ErrorCode")
        ]


def _code(error: ClientError | BotoCoreError) -> str:
    """What went wrong, without the records that botocore's messages may quote."""
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"]
    return type(error).__name__


def _chunks(records: Sequence[OutputRecord]) -> Iterator[Sequence[OutputRecord]]:
    """The records in runs that one PutRecords call takes."""
    start, size = 0, 0
    for index, record in enumerate(records):
        record_bytes = len(record.data) + len(record.partition_key.encode())
        if index - start == MAX_RECORDS_A_CALL or size + record_bytes > MAX_BYTES_A_CALL:
            yield records[start:index]
            start, size = index, 0
        size += record_bytes
    if start < len(records):
        yield records[start:]
