"""Synthetic trips, drawn from the profile that is shipped."""

import numpy as np

from trips import profile
from trips.columns import Trips


def synthetic(count: int, seed: int) -> Trips:
    """Trips of four weeks, in order of pickup. The same seed gives the same trips."""
    shipped = profile.load()
    rng = np.random.default_rng(seed)
    return shipped.trips(np.sort(shipped.pickups(count, rng)), rng)
