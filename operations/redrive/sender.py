"""Sends events to a stream, rate-limited so that live rides are not starved, and marks them.

Events are marked after the stream accepts them, so an event is resent twice only if it was put but
never marked: at most one call's records if a redrive is killed or its bucket is unavailable, plus
records that the stream accepted but whose response was lost.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from operations.redrive.claim import Claim
from operations.redrive.documents import Event
from operations.redrive.marks import Marks
from ride_scoring.streams.put_records import MAX_BYTES_A_CALL, MAX_RECORDS_A_CALL
from stream_sim.kinesis.outgoing import weight
from stream_sim.kinesis.puts import Puts

_CALL_SECONDS: Final = 1.0
"""Seconds' worth of the rate sent in one call, within the call's limits."""
_NAP_SECONDS: Final = 30.0
"""Longest wait without renewing the claim, which expires two minutes after a renewal."""


class Sender:
    """Sends at `rate` records of up to 1 KiB per second while the claim is held."""

    def __init__(
        self,
        puts: Puts,
        marks: Marks,
        claim: Claim,
        rate: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._puts = puts
        self._marks = marks
        self._claim = claim
        self._rate = rate
        self._sleep = sleep
        self._free_at = time.monotonic()

    def send(self, key: str, events: Sequence[Event], sent: Callable[[int], None]) -> None:
        """Sends the events of one object; calls `sent` with the count accepted in each call.

        Raises `UserError`, and boto3's errors that retrying cannot fix.
        """
        for chunk in _chunks(events, self._rate * _CALL_SECONDS):
            self._pace(chunk)
            taken: list[str] = []
            try:
                for answer in self._puts.put(chunk):
                    taken += [event.event_id for event, _ in answer.taken]
            finally:
                if taken:
                    sent(len(taken))
                    self._marks.add(key, taken)

    def _pace(self, chunk: Sequence[Event]) -> None:
        """Waits until the rate limit allows the chunk, renewing the claim meanwhile."""
        now = time.monotonic()
        wait = max(0.0, self._free_at - now)
        self._free_at = now + wait + sum(map(weight, chunk)) / self._rate
        while wait > _NAP_SECONDS:
            self._sleep(_NAP_SECONDS)
            self._claim.renew()
            wait -= _NAP_SECONDS
        self._sleep(wait)
        self._claim.renew()


def _chunks(events: Sequence[Event], most_weight: float) -> Iterator[Sequence[Event]]:
    """Splits the events into chunks for one call each, with at least one event per chunk."""
    start, weighs, size = 0, 0.0, 0
    for index, event in enumerate(events):
        event_bytes = len(event.data) + 4 * len(event.partition_key)
        full = (
            index - start == MAX_RECORDS_A_CALL
            or size + event_bytes > MAX_BYTES_A_CALL
            or weighs + weight(event) > most_weight
        )
        if full and index > start:
            yield events[start:index]
            start, weighs, size = index, 0.0, 0
        weighs, size = weighs + weight(event), size + event_bytes
    if start < len(events):
        yield events[start:]
