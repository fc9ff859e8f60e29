"""Models the shares of pairs with few rides as a product of three factors.

A gravity model that matches the counts by pickup zone, by dropoff zone and by reach.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from trips.profile.places import BOROUGH_OF, BOROUGHS, REACH, REACHES
from trips.profile.statistics import LEAST_RIDES, FloatArray, IntArray

_ROUNDS: Final = 50
"""Rounds of fitting each factor in turn; the shares have converged by then."""


def factors(counts: IntArray, rest: NDArray[np.bool_]) -> tuple[FloatArray, ...]:
    """Factors by pickup zone, dropoff zone and reach; their product is each `rest` pair's share.

    `counts` holds rides by pair, `rest` masks the pairs with few, both of shape (ZONES, ZONES).
    """
    few = np.where(rest, counts, 0)
    by_start, by_end, by_reach = (_along(few, axis) for axis in range(3))
    by_reach = np.maximum(by_reach, LEAST_RIDES)
    wanted = [shares(rides) for rides in (pooled(by_start), pooled(by_end), by_reach)]
    found = [np.ones_like(share) for share in wanted]
    for _ in range(_ROUNDS):
        for axis, share in enumerate(wanted):
            product = found[0][:, None] * found[1][None, :] * found[2][REACH] * rest
            found[axis] *= share / np.maximum(_along(product, axis), 1e-12)
    return tuple(found)


def shares(weights: FloatArray) -> FloatArray:
    """Normalizes the weights to sum to 1 along the last axis."""
    share: FloatArray = weights / weights.sum(axis=-1, keepdims=True)
    return share


def _along(by_pair: IntArray | FloatArray, axis: int) -> FloatArray:
    """Sums by pickup zone (axis 0), dropoff zone (axis 1) or reach (axis 2)."""
    if axis == 2:
        return np.bincount(REACH.ravel(), weights=by_pair.ravel(), minlength=REACHES)
    return by_pair.sum(axis=1 - axis).astype(np.float64)


def pooled(by_zone: IntArray | FloatArray) -> FloatArray:
    """Rides by zone. Rides of a borough's sparse zones are pooled and spread evenly over them,
    with a pool of at least `LEAST_RIDES`, so that unseen zones can be drawn."""
    few = by_zone < LEAST_RIDES
    pool = np.bincount(BOROUGH_OF, weights=by_zone * few, minlength=BOROUGHS)
    zones = np.maximum(np.bincount(BOROUGH_OF, weights=few, minlength=BOROUGHS), 1)
    each = np.maximum(pool, LEAST_RIDES) / zones
    return np.where(few, each[BOROUGH_OF], by_zone)
