"""Maps pickup times to hours of the week and periods. Monday 0:00 is hour 0."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

FIRST_MONDAY: Final = np.datetime64("2023-01-02T00:00:00", "us")
WEEKS: Final = 4
WEEK_HOURS: Final = 7 * 24
_MONDAY: Final = 3 * 24
"""Offset in hours, because 1970 began on a Thursday."""
_PERIOD_STARTS: Final = np.array([0, 6, 10, 16, 20])
PERIODS: Final = 2 * len(_PERIOD_STARTS)
"""Night, morning, day, evening and late, on weekdays and weekends: travel patterns differ."""


def hour_of_week(pickup: NDArray[np.datetime64]) -> IntArray:
    """Hour of the week, 0 to 167, shape (n,)."""
    hours: IntArray = pickup.astype("datetime64[h]").astype(np.int64)
    return (hours + _MONDAY) % WEEK_HOURS


def _periods() -> IntArray:
    day, hour = np.divmod(np.arange(WEEK_HOURS), 24)
    in_day = np.searchsorted(_PERIOD_STARTS, hour, side="right") - 1
    periods: IntArray = np.where(day < 5, in_day, in_day + len(_PERIOD_STARTS)).astype(np.int64)
    return periods


PERIOD_OF: Final[IntArray] = _periods()
"""The period of each hour of the week, shape (WEEK_HOURS,)."""
