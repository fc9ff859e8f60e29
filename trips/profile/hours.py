"""When rides begin: pickup times in, shares of the hours of a usual week out."""

import numpy as np
from numpy.typing import NDArray

from trips.profile.statistics import LEAST_RIDES, FloatArray
from trips.profile.week import WEEK_HOURS, hour_of_week


def shares(pickup: NDArray[np.datetime64]) -> FloatArray:
    """Shape (WEEK_HOURS,), however often each day of the week is there. Hours with few rides have
    the same share.

    Days with less than a tenth of a usual day's rides do not count: a few rows of each month of
    TLC's are dated outside of it.
    """
    days, day, count = np.unique(
        pickup.astype("datetime64[D]"), return_inverse=True, return_counts=True
    )
    busy = count >= np.median(count[day]) / 10
    rides = np.bincount(hour_of_week(pickup[busy[day]]), minlength=WEEK_HOURS).astype(np.float64)
    few = rides < LEAST_RIDES
    rides[few] = rides[few].mean() if few.any() else 0.0
    times = np.bincount(hour_of_week(days[busy]) // 24, minlength=7)
    usual: FloatArray = rides / np.repeat(np.maximum(times, 1), 24)
    return usual / usual.sum()
