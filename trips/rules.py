"""Rules for which records to train on; yields a mask and a count for each rule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain.events import FIRST_ZONE, LAST_ZONE, MAX_DISTANCE_MILES, PICKUP_YEARS
from trips.columns import Trips
from trips.durations import MAX_MINUTES, MIN_MINUTES, has_usual_duration
from trips.trip_records import TripRecords


@dataclass(frozen=True)
class Rule:
    """Keeps the records in its mask, shape (n,). `reason` completes "dropped records have a"."""

    reason: str
    keeps: str
    mask: Callable[[TripRecords], NDArray[np.bool_]]


class RuleCount(msgspec.Struct, frozen=True):
    """A rule's effect: `dropped` counts records that no earlier rule dropped.

    `share_kept` is the share of all records that this rule alone keeps.
    """

    reason: str
    dropped: int
    share_kept: float


def apply(
    rules: Sequence[Rule], records: TripRecords
) -> tuple[NDArray[np.bool_], tuple[RuleCount, ...]]:
    """Mask of the records that all rules keep, shape (n,), and each rule's counts, in order."""
    kept = np.ones(len(records), dtype=np.bool_)
    counts = []
    for rule in rules:
        mask = rule.mask(records)
        counts.append(RuleCount(rule.reason, int(np.sum(kept & ~mask)), float(np.mean(mask))))
        kept &= mask
    return kept, tuple(counts)


def scorable(trips: Trips) -> NDArray[np.bool_]:
    """Which trips the function certainly scores, shape (n,). The others depend on its decoder."""
    return (
        _in_range(trips.pickup_zone, FIRST_ZONE, LAST_ZONE)
        & _in_range(trips.dropoff_zone, FIRST_ZONE, LAST_ZONE)
        & _in_range(trips.distance_miles, 0, MAX_DISTANCE_MILES)
        & _in_pickup_years(trips.pickup)
    )


def _is_complete(records: TripRecords) -> NDArray[np.bool_]:
    return records.complete


def _is_in_pickup_years(records: TripRecords) -> NDArray[np.bool_]:
    return _in_pickup_years(records.pickup)


def _in_pickup_years(pickup: NDArray[np.datetime64]) -> NDArray[np.bool_]:
    first = np.datetime64(f"{PICKUP_YEARS.start:04}-01-01", "us")
    end = np.datetime64(f"{PICKUP_YEARS.stop:04}-01-01", "us")
    in_years: NDArray[np.bool_] = (first <= pickup) & (pickup < end)
    return in_years


def _has_zones(records: TripRecords) -> NDArray[np.bool_]:
    kept = np.ones(len(records), dtype=np.bool_)
    for zone in (records.pickup_zone, records.dropoff_zone):
        kept &= _in_range(zone, FIRST_ZONE, LAST_ZONE) & (np.floor(zone) == zone)
    return kept


def _has_distance_in_range(records: TripRecords) -> NDArray[np.bool_]:
    return _in_range(records.distance_miles, 0, MAX_DISTANCE_MILES)


def _in_range(
    values: NDArray[np.float64] | NDArray[np.int64], low: float, high: float
) -> NDArray[np.bool_]:
    in_range: NDArray[np.bool_] = (values >= low) & (values <= high)
    return in_range


_COMPLETE: Final = Rule(
    "missing value", "Times, zones and distance are all there, and finite.", _is_complete
)
_DURATION: Final = Rule(
    f"duration outside of {MIN_MINUTES:g} to {MAX_MINUTES:g} minutes",
    f"The trip took {MIN_MINUTES:g} to {MAX_MINUTES:g} minutes.",
    lambda records: has_usual_duration(records.duration_minutes),
)

_FUNCTION: Final = (
    _COMPLETE,
    Rule(
        f"pickup outside of the years {PICKUP_YEARS[0]} to {PICKUP_YEARS[-1]}",
        f"The pickup is in the years {PICKUP_YEARS[0]} to {PICKUP_YEARS[-1]}.",
        _is_in_pickup_years,
    ),
    Rule(
        f"zone outside of {FIRST_ZONE} to {LAST_ZONE}",
        f"Both zones are whole numbers of {FIRST_ZONE} to {LAST_ZONE}.",
        _has_zones,
    ),
    Rule(
        f"distance outside of 0 to {MAX_DISTANCE_MILES:g} miles",
        f"The distance is 0 to {MAX_DISTANCE_MILES:g} miles.",
        _has_distance_in_range,
    ),
    _DURATION,
)
RuleSet = Literal["function", "course"]
RULES: Final[Mapping[RuleSet, tuple[Rule, ...]]] = {
    "function": _FUNCTION,
    "course": (_COMPLETE, _DURATION),
}
"""`function` keeps rides that the function can score, within the course's durations: it rejects all
others, so they are not trained on. `course` keeps what the MLOps Zoomcamp trains on: zones and
distances are taken as recorded."""
