"""When a call may go: a schedule, and how much the stream was seen to take, in; waiting out.

While the stream takes everything, the schedule alone counts, and what is behind it goes at once.
Once it refuses for want of throughput, no more goes than it took in the last second: a little less
at first (by a factor), and then a little more from second to second (by a sum).
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

_FALL: Final = 0.9
_DEEPEST_FALL: Final = 0.5
_RISE_A_SECOND: Final = 0.03
"""Of the most that the stream took in a second when it refused."""
_WINDOW_SECONDS: Final = 1.0
"""Kinesis counts what a shard takes by the second."""
_A_SHARD: Final = 1_000.0
_LEAST_RATE: Final = 100.0
"""A call then waits for seconds, and not for longer than a stream may be away."""


class Pace:
    """One part's pace. Amounts are in records of up to 1 KiB. Several threads may use it."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, float]] = deque()
        self._base: float | None = None
        self._most = _A_SHARD
        self._fell_at = self._began
        self._free_at = self._began

    def wait(self, due: float) -> None:
        """Until `due` seconds after the pace began."""
        self._sleep_for(self._began + due - self._clock())

    def admit(self, amount: float) -> None:
        """Until the stream is likely to take so much more."""
        with self._lock:
            now = self._clock()
            if (limit := self._limit(now)) is None:
                return
            wait = max(0.0, self._free_at - now)
            self._free_at = max(now, self._free_at) + amount / limit
        self._sleep_for(wait)

    def answered(self, taken: float, *, throttled: bool) -> None:
        """A call's answer: how much was taken, and whether the rest was too much."""
        with self._lock:
            now = self._clock()
            self._recent.append((now, taken))
            while self._recent[0][0] <= now - _WINDOW_SECONDS:
                self._recent.popleft()
            # Calls that are under way at once are refused together, and that is one refusal.
            if throttled and (self._base is None or now - self._fell_at >= _WINDOW_SECONDS):
                taken_of_late = sum(amount for _, amount in self._recent)
                self._most = max(self._most, taken_of_late)
                deepest = _DEEPEST_FALL * (self._limit(now) or 0.0)
                self._base = max(_LEAST_RATE, _FALL * taken_of_late, deepest)
                self._fell_at = now

    def _limit(self, now: float) -> float | None:
        if self._base is None:
            return None
        return self._base + _RISE_A_SECOND * self._most * (now - self._fell_at)

    def _sleep_for(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)
