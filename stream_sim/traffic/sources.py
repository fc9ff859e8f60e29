"""Sources of rides: the trips that arrive at given arrival times.

Synthetic ones are drawn from a profile on demand; a replay takes those of a file in order.
"""

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from trips.columns import Trips
from trips.profile import FIRST_MONDAY, WEEKS, RideProfile

_DAY_SECONDS: Final = 86_400.0
_STRAY_GAP: Final = np.timedelta64(7, "D")
"""TLC's months have no gap of a day, except for a few rows dated weeks or years off."""


class RideSource(Protocol):
    """Yields the rides of one part of a run, in arrival order."""

    def take(self, arrivals: NDArray[np.float64]) -> Trips:
        """The next rides, one per arrival; fewer if there are no more.

        `arrivals` are seconds since the run began, ascending, shape (n,).
        """
        ...


class Synthetic:
    """Endless rides. The same seed gives the same rides, whatever the block sizes.

    Pickups are spread over the profile's four weeks or, if a day of the simulated clock takes
    `day_seconds` of the run, are that clock's time on arrival. It starts at `FIRST_MONDAY`, and
    restarts after the four weeks.
    """

    def __init__(self, profile: RideProfile, seed: int, day_seconds: float | None = None) -> None:
        self._profile = profile
        self._day_seconds = day_seconds
        # Two generators: the rides drawn do not depend on how their pickups are generated.
        self._pickups, self._rides = np.random.default_rng(seed).spawn(2)

    def take(self, arrivals: NDArray[np.float64]) -> Trips:
        """As many rides as there are arrivals."""
        return self._profile.trips(self._pickup(arrivals), self._rides)

    def _pickup(self, arrivals: NDArray[np.float64]) -> NDArray[np.datetime64]:
        if self._day_seconds is None:
            return self._profile.pickups(len(arrivals), self._pickups)
        days = arrivals % (7 * WEEKS * self._day_seconds) / self._day_seconds
        return FIRST_MONDAY + (days * _DAY_SECONDS).astype("timedelta64[s]")


class Replay:
    """The rides of a file by pickup time: every `parts`-th, starting from number `part`."""

    def __init__(self, trips: Trips, part: int = 0, parts: int = 1) -> None:
        self._trips = trips.where(np.argsort(trips.pickup, kind="stable")[part::parts])
        self._next = 0

    def take(self, arrivals: NDArray[np.float64]) -> Trips:
        """The next rides, as recorded: fewer than arrivals at the end of the file."""
        taken = self._trips.where(slice(self._next, self._next + len(arrivals)))
        self._next += len(taken)
        return taken


def event_times(trips: Trips, speed_up: float) -> NDArray[np.float64]:
    """The arrival time of each trip of a replay, by pickup, in seconds since the first, shape (n,).

    A part of a run takes every `parts`-th, as `Replay` does. Trips separated from most others by a
    gap of more than a week are outliers: they arrive with the first or last of the others, so that
    the replay does not wait for years.
    """
    pickup = np.sort(trips.pickup)
    ends = np.flatnonzero(np.diff(pickup) > _STRAY_GAP) + 1
    middle = len(pickup) // 2
    segment = np.searchsorted(ends, middle, side="right")
    bounds = [0, *ends.tolist(), len(pickup)]
    first, last = pickup[bounds[segment]], pickup[bounds[segment + 1] - 1]
    seconds: NDArray[np.float64] = (np.clip(pickup, first, last) - first) / np.timedelta64(1, "s")
    return seconds / speed_up
