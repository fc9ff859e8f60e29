"""Draws trips from statistics.

Hour of the week ▸ pickup zone ▸ dropoff zone ▸ miles ▸ minutes, each conditional on the previous.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain.events import MAX_DISTANCE_MILES
from trips.columns import Trips
from trips.profile import pairs
from trips.profile.places import ZONES
from trips.profile.statistics import LOG_MILES_KNOTS, FloatArray, IntArray, Statistics, nearest_knot
from trips.profile.week import FIRST_MONDAY, PERIOD_OF, WEEK_HOURS, WEEKS, hour_of_week

_WEEK_SECONDS: Final = WEEK_HOURS * 3_600
_NUMBERS_A_RIDE: Final = 5
_SHORTEST_MINUTES: Final = 0.1


class RideProfile:
    """Draws rides that follow the given statistics."""

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics
        by_day = statistics.rides_by_hour_of_week.reshape(-1, 24)
        self.rides_by_hour: FloatArray = by_day.sum(axis=0) / by_day.sum()
        """Share of rides by hour of the day, shape (24,)."""
        self._hours = np.append(0.0, _staircase(statistics.rides_by_hour_of_week[None, :]))
        self._pickup_zones = _staircase(statistics.pickup_zones)
        self._dropoff_zones = _staircase(pairs.rides(statistics))
        self._log_miles = pairs.log_miles(statistics).ravel()
        self._log_minutes = pairs.log_minutes(statistics).ravel()
        self._no_miles = pairs.no_miles(statistics).ravel()
        self._miles_spread = pairs.miles_spread(statistics).ravel()

    def pickups(self, count: int, rng: np.random.Generator) -> NDArray[np.datetime64]:
        """Times in `WEEKS` weeks from `FIRST_MONDAY`, whole seconds, unsorted, shape (count,)."""
        week, share = np.divmod(rng.random(count) * WEEKS, 1.0)
        hours = np.interp(share, self._hours, np.arange(WEEK_HOURS + 1))
        seconds = week * _WEEK_SECONDS + np.minimum(hours * 3_600, _WEEK_SECONDS - 1)
        return FIRST_MONDAY + seconds.astype("timedelta64[s]")

    def trips(self, pickup: NDArray[np.datetime64], rng: np.random.Generator) -> Trips:
        """Draws a trip for each of the pickup times, shape (n,).

        Each trip consumes five random numbers, so results do not depend on how calls are chunked.
        """
        drawn = np.ascontiguousarray(rng.random((len(pickup), _NUMBERS_A_RIDE)).T)
        hour = hour_of_week(pickup)
        start = _step(self._pickup_zones, PERIOD_OF[hour], drawn[0], ZONES)
        end = _step(self._dropoff_zones, start, drawn[1], ZONES)
        pair = start * ZONES + end
        log_miles = self._draw_log_miles(pair, drawn[2])
        miles = np.where(drawn[4] < self._no_miles[pair], 0.0, np.exp(log_miles))
        minutes = np.exp(self._draw_log_minutes(log_miles, pair, hour, drawn[3]))
        return Trips(
            pickup=pickup,
            duration_minutes=np.maximum(minutes, _SHORTEST_MINUTES).round(2),
            pickup_zone=start + 1,
            dropoff_zone=end + 1,
            distance_miles=np.minimum(miles, MAX_DISTANCE_MILES).round(2),
        )

    def _draw_log_miles(self, pair: IntArray, drawn: FloatArray) -> FloatArray:
        spread = self.statistics.miles_spread
        return self._log_miles[pair] + _at(spread, self._miles_spread[pair], drawn)

    def _draw_log_minutes(
        self, log_miles: FloatArray, pair: IntArray, hour: IntArray, drawn: FloatArray
    ) -> FloatArray:
        known = self.statistics
        typical = np.interp(log_miles, LOG_MILES_KNOTS, known.knot_minutes)
        expected = typical + self._log_minutes[pair] - known.log_speed[hour]
        return expected + _at(known.minutes_spread, nearest_knot(log_miles), drawn)


def _staircase(weights: FloatArray) -> FloatArray:
    """Cumulative shares, row i offset by i, so that a single search covers all rows."""
    cumulative = np.cumsum(weights, axis=1)
    steps: FloatArray = cumulative / cumulative[:, -1:] + np.arange(len(weights))[:, None]
    return steps.ravel()


def _step(staircase: FloatArray, row: IntArray, drawn: FloatArray, columns: int) -> IntArray:
    """The column of its row that each number in [0, 1) falls into."""
    place = np.searchsorted(staircase, row + drawn, side="right") - row * columns
    # In floating point, 200 plus a number just below 1 can round to 201.
    found: IntArray = np.minimum(place, columns - 1)
    return found


def _at(quantiles: FloatArray, row: IntArray, drawn: FloatArray) -> FloatArray:
    """Value at each number in [0, 1) in its row, interpolated linearly between quantiles."""
    place = drawn * (quantiles.shape[1] - 1)
    below = place.astype(np.int64)
    flat = quantiles.ravel()
    index = row * quantiles.shape[1] + below
    low = flat[index]
    value: FloatArray = low + (flat[index + 1] - low) * (place - below)
    return value
