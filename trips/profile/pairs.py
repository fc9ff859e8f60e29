"""Expands statistics to every pair of zones: share of rides, miles and minutes.

Pairs use their own values if they have any, otherwise those of their groups. All arrays have shape
(ZONES, ZONES): pickup zone by dropoff zone.
"""

import numpy as np

from ride_scoring.domain.events import FIRST_ZONE
from trips.profile.places import BOROUGH_OF, REACH, REACHES, SCALE_MILES
from trips.profile.statistics import FloatArray, IntArray, Statistics


def own(statistics: Statistics) -> tuple[IntArray, IntArray]:
    """Index of the pairs with values of their own, in the order of `statistics.pairs`."""
    start, end = statistics.pairs.astype(np.int64).T - FIRST_ZONE
    return start, end


def of_groups(values: FloatArray) -> FloatArray:
    """Expands values by boroughs and reach to pairs."""
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
    """Expected ln(miles) of rides with a recorded distance."""
    relative = of_groups(statistics.other_miles)
    relative[own(statistics)] = statistics.pair_miles
    return relative + np.log(SCALE_MILES)


def log_minutes(statistics: Statistics) -> FloatArray:
    """Deviation of ln(minutes) from what is typical of the distance and hour."""
    relative = of_groups(statistics.other_minutes)
    relative[own(statistics)] = statistics.pair_minutes
    return relative


def no_miles(statistics: Statistics) -> FloatArray:
    """Share of the pair's rides with a recorded distance of 0."""
    share: FloatArray = statistics.no_miles[BOROUGH_OF[:, None], REACH]
    return share


def miles_spread(statistics: Statistics) -> IntArray:
    """The pair's row in `Statistics.miles_spread`."""
    row = REACH.copy()
    row[own(statistics)] += REACHES
    return row
