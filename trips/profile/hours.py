"""Computes the shares of rides by hour of a typical week from pickup times."""

import numpy as np
from numpy.typing import NDArray

from trips.profile.statistics import LEAST_RIDES, FloatArray
from trips.profile.week import WEEK_HOURS, hour_of_week


def shares(pickup: NDArray[np.datetime64]) -> FloatArray:
    """Shares of shape (WEEK_HOURS,), corrected for how often each weekday occurs. Hours with few
    rides share their mean.

    Days with less than a tenth of a typical day's rides are ignored: each TLC month holds a few
    rows dated outside it.
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
