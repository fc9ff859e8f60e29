"""Puts records with PutRecords, retrying those refused or unanswered until that has gone on for too
long."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as NotConnected
from botocore.parsers import ResponseParserError

from infra.common.console import UserError
from stream_sim.kinesis.outgoing import Outgoing

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_PATIENCE_SECONDS: Final = 30.0
"""A stream that accepts nothing for so long, and then refuses once more, is given up on."""
_THROTTLED_CODES: Final = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "KMSThrottlingException",
        "LimitExceededException",
        "ThrottlingException",
    }
)
_NEVER_REACHED: Final = (EndpointConnectionError, ConnectTimeoutError)
_NO_ANSWER: Final = (NotConnected, HTTPClientError, IncompleteReadError, ResponseParserError)
_LEAST_SERVER_ERROR: Final = 500


class Answer[R](msgspec.Struct, frozen=True):
    """The result of one call: each accepted record with its `event_id`, and the refused ones.

    `sent_at` is when the call began, in seconds since the epoch. Unless `answered`, the stream may
    have accepted any of `refused` anyway. `refusal` is the last error message.
    """

    taken: list[tuple[R, str]]
    refused: list[R]
    sent_at: float
    answered: bool = True
    throttled: bool = False
    refusal: str = ""


class Puts:
    """PutRecords on one stream. Thread-safe."""

    def __init__(
        self,
        kinesis: "KinesisClient",
        stream_name: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._kinesis = kinesis
        self._stream_name = stream_name
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    def put[R: Outgoing](self, records: Sequence[R]) -> Iterator[Answer[R]]:
        """Put one call's records, retrying those not accepted; yields the result of each call.

        Raises `UserError`, and boto3's errors if retrying cannot help.
        """
        pending, attempt = list(records), 0
        progress_at = self._clock()
        while pending:
            # The caller may wait before asking for the next answer: the stream is tried once more
            # after that, however long it took.
            began_at = self._clock()
            answer = self._once(pending)
            yield answer
            pending = answer.refused
            if answer.taken:
                progress_at, attempt = self._clock(), 0
            if pending and began_at - progress_at > _PATIENCE_SECONDS:
                raise UserError(
                    f"{self._stream_name} refused rides for {_PATIENCE_SECONDS:.0f} s: "
                    f"{answer.refusal}"
                )
            if pending:
                most = min(2.0, 0.05 * 2**attempt)
                self._sleep(self._jitter(0, most))
                attempt += 1

    def _once[R: Outgoing](self, records: list[R]) -> Answer[R]:
        sent_at = time.time()
        try:
            response = self._kinesis.put_records(
                Records=[{"Data": r.data, "PartitionKey": r.partition_key} for r in records],
                StreamName=self._stream_name,
            )
        except ClientError as error:
            throttled = error.response["Error"]["Code"] in _THROTTLED_CODES
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if not throttled and status < _LEAST_SERVER_ERROR:
                raise
            return Answer(
                [], records, sent_at, answered=throttled, throttled=throttled, refusal=str(error)
            )
        except _NO_ANSWER as error:
            never_reached = isinstance(error, _NEVER_REACHED)
            return Answer([], records, sent_at, answered=never_reached, refusal=str(error))
        taken: list[tuple[R, str]] = []
        refused: list[R] = []
        throttled, refusal = False, ""
        for record, result in zip(records, response["Records"], strict=True):
            if code := result.get("ErrorCode"):
                refused.append(record)
                throttled = throttled or code in _THROTTLED_CODES
                refusal = f"{code}: {result.get('ErrorMessage')}"
            else:
                taken.append((record, f"{result['ShardId']}:{result['SequenceNumber']}"))
        return Answer(taken, refused, sent_at, throttled=throttled, refusal=refusal)
