"""Tumbling windows of one lane: which records belong together, and the function's state.

https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-windows.html
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from stream_sim.simulation.mapping import documents
from stream_sim.simulation.world.lambda_service import Answered, Result
from stream_sim.simulation.world.stream import StoredRecord

_MOST_STATE_BYTES: Final = 1024 * 1024


class Windows:
    """Tumbling windows of that many seconds, none if 0; `state` is the function's.

    After its end, a window waits up to `wait_seconds` for late records.
    """

    def __init__(self, seconds: float, wait_seconds: float, shard_id: str) -> None:
        self._seconds = seconds
        self._wait_seconds = wait_seconds
        self._shard_id = shard_id
        self._start: float | None = None
        self._state: Mapping[str, Any] = {}
        self._ends_early = False

    def same(self, one: StoredRecord, other: StoredRecord) -> bool:
        return not self._seconds or self._start_of(one) == self._start_of(other)

    def over(self, now: float, coming: Sequence[StoredRecord], *, at_end: bool) -> bool:
        """Whether no more records can arrive for the open window."""
        if self._start is None:
            return False
        if self._ends_early:
            return True
        if coming:
            return self._start_of(coming[0]) != self._start
        return at_end or self.until_over(now) == 0

    def until_over(self, now: float) -> float | None:
        """Seconds until the window is over, including the wait for late records."""
        if self._start is None:
            return None
        return max(0.0, self._start + self._seconds + self._wait_seconds - now)

    def ended_by(self, moment: float) -> bool:
        """Whether no record of the open window can have arrived after that moment."""
        return self._start is not None and self._start + self._seconds <= moment

    def said(self, first: StoredRecord) -> dict[str, Any]:
        """What an event says about its records' window."""
        if not self._seconds:
            return {}
        self._start = self._start_of(first)
        return self._said(final=False)

    def final(self) -> dict[str, Any]:
        return self._said(final=True)

    def keeps(self, result: Result) -> bool:
        """Take the state from an answer. One without state is a failure; one that is too large ends
        the window early."""
        if not self._seconds:
            return True
        payload = (isinstance(result, Answered) and result.payload) or {}
        if "state" not in payload:
            return False
        self._state = payload["state"]
        self._ends_early = len(msgspec.json.encode(self._state)) > _MOST_STATE_BYTES
        return True

    def close(self) -> None:
        self._start, self._state, self._ends_early = None, {}, False

    def _said(self, *, final: bool) -> dict[str, Any]:
        return {
            "window": documents.window(self._start or 0.0, self._seconds),
            "state": self._state,
            "shardId": self._shard_id,
            "eventSourceARN": documents.STREAM_ARN,
            "isFinalInvokeForWindow": final,
            "isWindowTerminatedEarly": self._ends_early,
        }

    def _start_of(self, record: StoredRecord) -> float:
        return record.arrived_at // self._seconds * self._seconds
