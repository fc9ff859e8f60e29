"""Milliseconds in, classes and percentiles out: histograms that can be added up. Pure.

A class reaches up to a bound, and each bound is 2 % above the one before.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GROWTH: Final = 1.02
"""A percentile is right to one percent: it is said to be in the middle of its class."""
CLASSES: Final = 2 + int(math.log(24 * 3_600_000) / math.log(_GROWTH))
"""From a millisecond, and less, to a day, and more."""

Counts = NDArray[np.int64]


def classes(milliseconds: ArrayLike) -> Counts:
    """The class of each latency, in the shape that they have."""
    bounds = np.log(np.maximum(milliseconds, 1.0)) / math.log(_GROWTH)
    places: Counts = np.minimum(np.ceil(bounds), CLASSES - 1).astype(np.int64)
    return places


def upper_ms(place: int) -> float:
    """The most milliseconds that a class holds; the last one holds all that is more, too."""
    return round(_GROWTH**place, 3)


def percentile(histogram: Counts, percent: float) -> float | None:
    """Milliseconds, of a histogram of shape (CLASSES,); None of an empty one."""
    up_to = np.cumsum(histogram)
    if not up_to[-1]:
        return None
    place = int(np.searchsorted(up_to, up_to[-1] * percent / 100))
    return round(float(_GROWTH ** max(0.0, place - 0.5)), 1)
