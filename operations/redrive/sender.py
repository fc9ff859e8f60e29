"""Events in, a stream out: paced so that live rides are not starved, and marked as they are taken.

An event is marked after the stream took it. So what is sent again twice is what was put and never
marked: of a redrive that is killed, or whose bucket is away, one call's records at most; and what a
stream took whose answer was lost on the way.
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
"""How much of a second's rate one call carries, up to what it takes."""
_NAP_SECONDS: Final = 30.0
"""The longest wait without a renewal of the claim, which is void two minutes after one."""


class Sender:
    """Sends at `rate` records of up to 1 KiB a second, while the claim holds."""

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
        """Sends the events of one object; calls `sent` with each number that the stream took.

        Raises `UserError`, and boto3's errors where waiting mends nothing.
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
        """Waits until what was sent before is paid for, and holds the claim meanwhile."""
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
    """The events in runs for one call each, at least one in a run."""
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
