"""Synthetic trips, drawn from the bundled profile."""

import numpy as np

from trips import profile
from trips.columns import Trips


def synthetic(count: int, seed: int) -> Trips:
    """Trips over four weeks, in order of pickup; deterministic for a given seed."""
    shipped = profile.load()
    rng = np.random.default_rng(seed)
    return shipped.trips(np.sort(shipped.pickups(count, rng)), rng)
