"""Paces calls by the schedule, and by how much the stream was seen to accept.

While the stream accepts everything, only the schedule counts, and calls that are late go at once.
Once throttled, the rate is limited to what the stream accepted in the last second: decreased a
little at first (by a factor), then increased a little every second (by a constant). A stream that
accepted nothing revealed nothing about its capacity: the rate doubles every second until it is back
where it was.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

_FALL: Final = 0.9
_DEEPEST_FALL: Final = 0.5
_RISE_A_SECOND: Final = 0.03
"""Of the most the stream accepted in a second."""
_WINDOW_SECONDS: Final = 1.0
"""Kinesis limits shards by the second."""
_A_SHARD: Final = 1_000.0
_NEVER_ASKED: Final = 1e6
_LEAST_RATE: Final = 100.0
_LONGEST_SECONDS: Final = 5.0
"""The longest a call delays the next one: 500 records at the minimum rate, or 5 MiB at a shard's
limit."""
_LOOK_SECONDS: Final = 0.1
"""How often a waiting call checks whether the pace has changed."""
_SHORTEST_SECONDS: Final = 0.001


class Pace:
    """One part's pace. Amounts are in records of up to 1 KiB. Thread-safe."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """If `sleep` returns something true, as an event's `wait` does, waiting stops."""
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, float]] = deque()
        self._most = _A_SHARD
        self._base: float | None = None
        self._held = _NEVER_ASKED
        self._fell_at = self._began
        self._passed, self._passed_at = 0.0, self._began
        self._promised = 0.0

    def wait(self, due: float) -> None:
        """Wait until `due` seconds after the pace began."""
        if (seconds := self._began + due - self._clock()) > 0:
            self._sleep(seconds)

    def admit(self, amount: float) -> None:
        """Wait until the stream is likely to accept that much more."""
        with self._lock:
            now = self._clock()
            if (limit := self._limit(now)) is None:
                return
            self._count_passed(now)
            turn = max(self._passed, self._promised)
            self._promised = turn + min(amount, limit * _LONGEST_SECONDS)
        while (seconds := self._seconds_until(turn)) > 0:
            if self._sleep(min(max(seconds, _SHORTEST_SECONDS), _LOOK_SECONDS)):
                return

    def answered(self, taken: float, *, throttled: bool) -> None:
        """Take a call's result: how much was accepted, and whether the rest was throttled."""
        with self._lock:
            now = self._clock()
            self._recent.append((now, taken))
            while self._recent[0][0] <= now - _WINDOW_SECONDS:
                self._recent.popleft()
            taken_of_late = sum(amount for _, amount in self._recent)
            self._most = max(self._most, taken_of_late)
            # Concurrent calls are throttled together, which counts as one throttling.
            if throttled and (self._base is None or now - self._fell_at >= _WINDOW_SECONDS):
                self._fall(now, taken_of_late)

    def _fall(self, now: float, taken_of_late: float) -> None:
        self._count_passed(now)
        deepest = _DEEPEST_FALL * (self._base or 0.0)
        self._base = max(_LEAST_RATE, _FALL * taken_of_late, deepest)
        self._fell_at = now
        if taken_of_late:
            self._held = self._base

    def _seconds_until(self, turn: float) -> float:
        with self._lock:
            now = self._clock()
            self._count_passed(now)
            return (turn - self._passed) / (self._limit(now) or math.inf)

    def _count_passed(self, now: float) -> None:
        """Add what could be sent since the last look."""
        if limit := self._limit(now):
            self._passed += limit * (now - self._passed_at)
        self._passed_at = now

    def _limit(self, now: float) -> float | None:
        """The most that may be sent a second; None if unlimited."""
        if self._base is None:
            return None
        seconds = now - self._fell_at
        top = max(self._base, self._held)
        doubling = math.log2(top / self._base)
        if seconds < doubling:
            return float(self._base * 2**seconds)
        return top + _RISE_A_SECOND * self._most * (seconds - doubling)
