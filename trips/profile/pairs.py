"""What statistics say of each pair of zones: its share of the rides, its miles, its minutes.

Pairs with values of their own have those, all others the values of what they belong to. All arrays
are of shape (ZONES, ZONES): by pickup zone and dropoff zone.
"""

import numpy as np

from ride_scoring.domain.events import FIRST_ZONE
from trips.profile.places import BOROUGH_OF, REACH, REACHES, SCALE_MILES
from trips.profile.statistics import FloatArray, IntArray, Statistics


def own(statistics: Statistics) -> tuple[IntArray, IntArray]:
    """Those with values of their own, in their order: an index of such an array."""
    start, end = statistics.pairs.astype(np.int64).T - FIRST_ZONE
    return start, end


def of_groups(values: FloatArray) -> FloatArray:
    """What pairs without values of their own have, by boroughs and reach."""
    spread: FloatArray = values[BOROUGH_OF[:, None], BOROUGH_OF[None, :], REACH]
    return spread


def rides(statistics: Statistics) -> FloatArray:
    """Shares of all rides."""
    share: FloatArray = (
        statistics.other_pickups[:, None]
        * statistics.other_dropoffs[None, :]
        * statistics.other_reaches[REACH]
    )
    share[own(statistics)] = statistics.pair_rides
    return share


def log_miles(statistics: Statistics) -> FloatArray:
    """ln(miles), as expected where the distance is known."""
    relative = of_groups(statistics.other_miles)
    relative[own(statistics)] = statistics.pair_miles
    return relative + np.log(SCALE_MILES)


def log_minutes(statistics: Statistics) -> FloatArray:
    """ln(minutes), beyond what is expected of the miles and the hour."""
    relative = of_groups(statistics.other_minutes)
    relative[own(statistics)] = statistics.pair_minutes
    return relative


def no_miles(statistics: Statistics) -> FloatArray:
    """Share of the pair's rides whose distance is given as 0."""
    share: FloatArray = statistics.no_miles[BOROUGH_OF[:, None], REACH]
    return share


def miles_spread(statistics: Statistics) -> IntArray:
    """The row of `miles_spread`."""
    row = REACH.copy()
    row[own(statistics)] += REACHES
    return row
