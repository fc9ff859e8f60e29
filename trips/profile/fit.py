"""Fits profile statistics to real trips."""

from typing import Final, NamedTuple

import numpy as np

from infra.common.console import UserError
from ride_scoring.domain.events import FIRST_ZONE
from trips.columns import Trips
from trips.profile import groups, hours, pairs, rest
from trips.profile.places import BOROUGHS, REACHES, SCALE_MILES
from trips.profile.ridden import Ridden, ridden, usual
from trips.profile.statistics import KNOTS, LOG_MILES_KNOTS, FloatArray, Statistics, nearest_knot
from trips.profile.week import PERIOD_OF, PERIODS, WEEK_HOURS

_LEAST_TRIPS: Final = 1_000


def fit(trips: Trips, source: str) -> Statistics:
    """Fits statistics to the usual trips among those from `source`. Raises `UserError`."""
    chosen = usual(trips)
    rides = ridden(chosen)
    metered = rides.metered()
    if len(metered.trips) < _LEAST_TRIPS:
        raise UserError(
            f"{source} holds {len(metered.trips):,} trips of a minute to an hour with a distance, "
            f"and a profile needs {_LEAST_TRIPS:,}: name a month of TLC's trip records"
        )
    log_miles = np.log(metered.trips.distance_miles)
    miles = _by_pair(metered, log_miles - np.log(SCALE_MILES[metered.zones]))
    knot_minutes, log_speed, beyond = _typical_minutes(metered, log_miles)
    minutes = _by_pair(metered, beyond)
    spread_group = metered.reach + REACHES * metered.is_own
    other_pickups, other_dropoffs, other_reaches = rest.factors(rides.counts, ~rides.own)
    return Statistics(
        fitted_to=f"{source}, {len(chosen):,} rides",
        rides_by_hour_of_week=hours.shares(chosen.pickup),
        log_speed=log_speed,
        pickup_zones=_pickup_zones(rides),
        pairs=np.argwhere(rides.own).astype(np.float64) + FIRST_ZONE,
        pair_rides=rides.counts[rides.own] / len(chosen),
        pair_miles=miles.own,
        pair_minutes=minutes.own,
        other_pickups=other_pickups * (1 - rides.is_own.mean()),
        other_dropoffs=other_dropoffs,
        other_reaches=other_reaches,
        other_miles=miles.other,
        other_minutes=minutes.other,
        no_miles=_no_miles(rides),
        miles_spread=groups.quantiles(miles.left, spread_group, 2 * REACHES),
        knot_minutes=knot_minutes,
        minutes_spread=groups.quantiles(minutes.left, nearest_knot(log_miles), KNOTS),
    )


class _ByPair(NamedTuple):
    """Means of pairs with their own values, means of all other pairs, and each ride's residual."""

    own: FloatArray
    other: FloatArray
    left: FloatArray


def _by_pair(rides: Ridden, values: FloatArray) -> _ByPair:
    """Shrinks from the broadest group to the narrowest: reach, boroughs and reach, pair."""
    reach = groups.means(values, rides.reach, np.full(REACHES, values.mean()))
    others = ~rides.is_own
    other = groups.means(
        values[others],
        rides.boroughs_reach[others],
        np.broadcast_to(reach, (BOROUGHS, BOROUGHS, REACHES)),
    )
    expected = pairs.of_groups(other)
    own = groups.means(values[rides.is_own], rides.own_pair, expected[rides.own])
    expected[rides.own] = own
    return _ByPair(own, other, values - expected[rides.zones])


def _typical_minutes(
    rides: Ridden, log_miles: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """ln(minutes) by knot, log speed by hour of the week, and each ride's residual ln(minutes).

    Knots with few rides fall back to a straight line fitted to all rides.
    """
    log_minutes = np.log(rides.trips.duration_minutes)
    ends = LOG_MILES_KNOTS[[0, -1]]
    line = np.polynomial.Polynomial.fit(log_miles, log_minutes, 1, domain=ends)
    knots = groups.means(log_minutes, nearest_knot(log_miles), line(LOG_MILES_KNOTS))
    left = log_minutes - np.interp(log_miles, LOG_MILES_KNOTS, knots)
    by_hour = groups.means(left, rides.hour % 24, np.full(24, left.mean()))
    by_hour_of_week = groups.means(left, rides.hour, np.tile(by_hour, WEEK_HOURS // 24))
    return knots, -by_hour_of_week, left - by_hour_of_week[rides.hour]


def _pickup_zones(rides: Ridden) -> FloatArray:
    """Shares by period. Zones with few rides in a period share its rest by their weekly totals."""
    zones = rest.pooled(rides.counts.sum(axis=1))
    period = PERIOD_OF[rides.hour]
    own = groups.rides(period * len(zones) + rides.zones[0], PERIODS * len(zones))
    own = own.reshape(PERIODS, len(zones))
    others = np.where(own > 0, 0.0, zones)
    left = np.bincount(period, minlength=PERIODS) - own.sum(axis=1)
    # The last term covers periods for which the file holds no rides.
    return rest.shares(own + rest.shares(others) * left[:, None] + 1e-9 * zones)


def _no_miles(rides: Ridden) -> FloatArray:
    """Share of rides with a distance of 0, by pickup borough and reach."""
    without = (rides.trips.distance_miles == 0).astype(np.float64)
    reach = groups.means(without, rides.reach, np.full(REACHES, without.mean()))
    return groups.means(without, rides.borough_reach, np.broadcast_to(reach, (BOROUGHS, REACHES)))
