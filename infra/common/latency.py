"""Additive latency histograms: bins of milliseconds, and percentiles. Pure.

Each bin's upper bound is 2 % above the one before.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GROWTH: Final = 1.02
"""Percentiles are accurate to 1 %: they are taken as the middle of their bin."""
CLASSES: Final = 2 + int(math.log(24 * 3_600_000) / math.log(_GROWTH))
"""From up to one millisecond to a day or more."""

Counts = NDArray[np.int64]


def classes(milliseconds: ArrayLike) -> Counts:
    """The bin of each latency, same shape as the input."""
    bounds = np.log(np.maximum(milliseconds, 1.0)) / math.log(_GROWTH)
    places: Counts = np.minimum(np.ceil(bounds), CLASSES - 1).astype(np.int64)
    return places


def upper_ms(place: int) -> float:
    """Upper bound of a bin in milliseconds; the last bin also holds everything above."""
    return round(_GROWTH**place, 3)


def percentile(histogram: Counts, percent: float) -> float | None:
    """Milliseconds, from a histogram of shape (CLASSES,); None if it is empty."""
    up_to = np.cumsum(histogram)
    if not up_to[-1]:
        return None
    place = int(np.searchsorted(up_to, up_to[-1] * percent / 100))
    return round(float(_GROWTH ** max(0.0, place - 0.5)), 1)
