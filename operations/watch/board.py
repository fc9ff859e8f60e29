"""Aggregates rides, predictions and rejects, as they are read, into a watch's figures. Pure.

Times are those at which Kinesis received a record, so records read late count at the right time.
Memory is bounded: time rings, totals, and the event ids of the latest outcomes.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from infra.common.latency import CLASSES, Counts, classes, percentile
from operations.watch.figures import Figures, Latency, Pair, Places, Served, Trend
from operations.watch.ring import Ring
from ride_scoring.domain import zones
from ride_scoring.domain.events import LAST_ZONE, Prediction, Ride
from ride_scoring.streams.records import Reject

if TYPE_CHECKING:
    from ride_scoring.identity import Role

TREND_SECONDS: Final = 300
_LATENCY_SLOT_SECONDS: Final = 5
_PLACES_SLOT_SECONDS: Final = 60
_READ_AFTER_SECONDS: Final = 2
"""Records are read shortly after they arrive, so the latest seconds are still incomplete."""
_OUTCOMES_REMEMBERED: Final = 100_000
"""A retried batch repeats its outcomes soon, or not at all."""
_MODELS_REMEMBERED: Final = 20
_BUSIEST_PAIRS: Final = 10


class Board:
    """Counts from `began` on; earlier arrivals in the events stream are ignored."""

    def __init__(self, began: datetime) -> None:
        self._began = began.timestamp()
        self._in = Ring(TREND_SECONDS + _READ_AFTER_SECONDS, 1)
        self._out = Ring(TREND_SECONDS + _READ_AFTER_SECONDS, 1)
        slots = TREND_SECONDS // _LATENCY_SLOT_SECONDS + 1
        self._latency = Ring(slots, _LATENCY_SLOT_SECONDS, (CLASSES,))
        slots = TREND_SECONDS // _PLACES_SLOT_SECONDS
        self._pairs = Ring(slots, _PLACES_SLOT_SECONDS, (LAST_ZONE + 1, LAST_ZONE + 1))
        self._taken_in = self._predicted = self._repeated = self._failed = self._answered = 0
        self._rejects: dict[str, int] = {}
        self._served: dict[tuple[str, str, Role], Served] = {}
        self._outcomes: dict[str, None] = {}

    def took_in(self, at: datetime, ride: Ride | None) -> None:
        """Counts a ride in the events stream; None stands for one that cannot be decoded."""
        seconds = at.timestamp()
        if seconds < self._began:
            return
        self._taken_in += 1
        self._in.add(seconds)
        if ride:
            self._pairs.add(seconds, ride.pickup_zone, ride.dropoff_zone)

    def predicted(self, at: datetime, prediction: Prediction) -> None:
        """Counts a prediction in the predictions stream."""
        key = (prediction.model, prediction.version, prediction.role)
        before = self._served.pop(key, None)
        count = 1 + (before.predictions if before else 0)
        self._served[key] = Served(*key, count, at)
        if len(self._served) > _MODELS_REMEMBERED:
            del self._served[next(iter(self._served))]
        if prediction.role != "champion":
            return
        if not self._is_new(prediction.event_id):
            self._repeated += 1
            return
        self._predicted += 1
        self._out.add(at.timestamp())
        latency = (at - prediction.arrived_at).total_seconds() * 1000
        self._latency.add(at.timestamp(), int(classes(latency)))
        self._answer(prediction.arrived_at)

    def rejected(self, reject: Reject) -> None:
        """Counts a ride rejected because it can never be scored."""
        if reject.arrived_at.timestamp() >= self._began and self._is_new(reject.event_id):
            self._rejects[reject.reason] = self._rejects.get(reject.reason, 0) + 1
            self._answer(reject.arrived_at)

    def gave_up(self, event_id: str, rides: int) -> None:
        """Counts the rides in a record on which the mapping exhausted its retries."""
        if self._is_new(event_id):
            self._failed += rides
            self._answered += rides

    def figures(self, now: datetime, over_seconds: int) -> Figures:
        """Current figures, with rates and latencies over at most the last `over_seconds`."""
        end = now.timestamp() - _READ_AFTER_SECONDS
        over = max(1, min(over_seconds, TREND_SECONDS, int(end - self._began)))
        latencies = self._latency.last(now.timestamp(), -(-over // _LATENCY_SLOT_SECONDS) + 1)
        return Figures(
            at=now,
            in_per_second=int(self._in.last(end, over).sum()) / over,
            out_per_second=int(self._out.last(end, over).sum()) / over,
            backlog=max(0, self._taken_in - self._answered),
            latency_ms=_percentiles(latencies.sum(axis=0)),
            taken_in=self._taken_in,
            predicted=self._predicted,
            repeated=self._repeated,
            rejects=dict(sorted(self._rejects.items())),
            failed=self._failed,
            served=list(reversed(self._served.values())),
        )

    def trend(self, now: datetime) -> Trend:
        """Time series of the last five minutes."""
        end = now.timestamp() - _READ_AFTER_SECONDS
        slots = TREND_SECONDS // _LATENCY_SLOT_SECONDS
        return Trend(
            self._in.last(end, TREND_SECONDS).tolist(),
            self._out.last(end, TREND_SECONDS).tolist(),
            [_percentiles(slot) for slot in self._latency.last(now.timestamp(), slots)],
        )

    def places(self, now: datetime) -> Places:
        """Zones and boroughs of the rides in the last five minutes."""
        pairs = self._pairs.last(now.timestamp(), self._pairs.slots).sum(axis=0)
        pickups = pairs.sum(axis=1)
        return Places(pickups.tolist(), _by_borough(pickups), _busiest(pairs))

    def _is_new(self, event_id: str) -> bool:
        if event_id in self._outcomes:
            return False
        self._outcomes[event_id] = None
        if len(self._outcomes) > _OUTCOMES_REMEMBERED:
            del self._outcomes[next(iter(self._outcomes))]
        return True

    def _answer(self, arrived_at: datetime) -> None:
        if arrived_at.timestamp() >= self._began:
            self._answered += 1


def _percentiles(histogram: Counts) -> Latency | None:
    p50, p95, p99 = (percentile(histogram, percent) for percent in (50, 95, 99))
    return None if p50 is None or p95 is None or p99 is None else Latency(p50, p95, p99)


def _by_borough(pickups: Counts) -> dict[str, int]:
    numbers = zones.borough_numbers(np.arange(LAST_ZONE + 1, dtype=np.float64)).astype(np.int64)
    counts = np.bincount(numbers, weights=pickups, minlength=len(zones.BOROUGHS))
    return {zones.BOROUGHS[n]: int(counts[n]) for n in np.argsort(-counts) if counts[n]}


def _busiest(pairs: Counts) -> list[Pair]:
    flat = pairs.ravel()
    places = np.argsort(-flat, kind="stable")[:_BUSIEST_PAIRS]
    return [
        Pair(int(place) // (LAST_ZONE + 1), int(place) % (LAST_ZONE + 1), int(flat[place]))
        for place in places
        if flat[place]
    ]
