"""Back-off between retries."""

import random
from collections.abc import Callable
from typing import Final

MAX_WAIT_SECONDS: Final = 2.0

system_random: Final[Callable[[], float]] = random.SystemRandom().random
"""A number from 0 to 1, of the system's: environments that SnapStart restores from one snapshot
would all draw the same from a generator of Python's, and wait alike."""


def full_jitter(base_seconds: float, attempt: int, jitter: Callable[[], float]) -> float:
    """Seconds between nothing and a bound that doubles with each attempt. Source:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return jitter() * min(MAX_WAIT_SECONDS, base_seconds * 2.0**attempt)
