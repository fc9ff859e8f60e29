"""The clock and the source of randomness: the system's, or a simulation's."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from ride_scoring.backoff import system_random


class Timing(NamedTuple):
    """`now` gives the time in UTC, `monotonic` seconds that never go back, `sleep` waits seconds,
    `jitter` gives a number from 0 to 1.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = system_random
