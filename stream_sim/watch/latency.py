"""Milliseconds in, percentiles out, by way of a histogram that can be added up. Pure."""

import math
from typing import Final

import msgspec
import numpy as np

from stream_sim.watch.ring import Counts

_GROWTH: Final = 1.02
"""Each bucket is this much wider than the one before: percentiles are right to one percent."""
BUCKETS: Final = 1 + int(math.log(24 * 3_600_000) / math.log(_GROWTH))
"""From a millisecond, and less, to a day, and more."""


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds that half, 95 % and 99 % of the rides were predicted within."""

    p50: float
    p95: float
    p99: float


def bucket(milliseconds: float) -> int:
    """The place in the histogram."""
    return min(BUCKETS - 1, int(math.log(max(1.0, milliseconds)) / math.log(_GROWTH)))


def percentiles(histogram: Counts) -> Latency | None:
    """Of a histogram of shape (BUCKETS,); None of an empty one."""
    up_to = np.cumsum(histogram)
    if not up_to[-1]:
        return None
    places = np.searchsorted(up_to, up_to[-1] * np.array([0.5, 0.95, 0.99]))
    return Latency(*(float(_GROWTH ** (place + 0.5)) for place in places))
