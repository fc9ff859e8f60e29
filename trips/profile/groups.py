"""Counts, means and quantiles by group, shrunk or pooled where a group has few rides.

Groups are integers from 0. A group of fewer than `LEAST_RIDES` rides gets no value of its own.
"""

from typing import Final

import numpy as np

from trips.profile.statistics import LEAST_RIDES, QUANTILES, FloatArray, IntArray

_PRIOR_RIDES: Final = 10.0
"""Weight, in rides, of the broader group's mean in a narrower group's mean."""
_LEAST_FOR_QUANTILES: Final = 2 * QUANTILES * LEAST_RIDES
"""Ensures that `LEAST_RIDES` lie below the first quantile and above the last."""


def rides(group: IntArray, size: int) -> FloatArray:
    """Rides in each of `size` groups; 0 where there are fewer than `LEAST_RIDES`."""
    count = np.bincount(group, minlength=size).astype(np.float64)
    count[count < LEAST_RIDES] = 0.0
    return count


def means(values: FloatArray, group: IntArray, prior: FloatArray) -> FloatArray:
    """The mean of each group, shrunk towards the broader group's `prior` of the same shape."""
    total = np.bincount(group, weights=values, minlength=prior.size).reshape(prior.shape)
    count = rides(group, prior.size).reshape(prior.shape)
    own = np.where(count > 0, total, 0.0)
    return (own + _PRIOR_RIDES * prior) / (count + _PRIOR_RIDES)


def quantiles(values: FloatArray, group: IntArray, size: int) -> FloatArray:
    """Quantiles of each group, shape (size, QUANTILES); of all values where a group is small.

    The first and last lie half a step inside, because the extremes are values of single rides.
    """
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    found = np.tile(np.quantile(values, levels), (size, 1))
    for number in np.flatnonzero(rides(group, size) >= _LEAST_FOR_QUANTILES):
        found[number] = np.quantile(values[group == number], levels)
    return found
