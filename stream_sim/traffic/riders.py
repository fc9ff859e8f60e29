"""Turns arrival times and rides into records to put, in the order they are due: numbered, encoded,
some with faults, some delayed."""

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ride_scoring.domain.events import Ride
from stream_sim import ledger
from stream_sim.kinesis.outgoing import OutgoingRecord, SentRide, packed
from stream_sim.traffic import faults, payloads
from stream_sim.traffic.arrivals import Times
from stream_sim.traffic.faults import Rates
from stream_sim.traffic.sources import RideSource
from trips import rules
from trips.columns import Trips
from trips.drift import Drift

_HELD_SECONDS: Final = {faults.LATE: (2.0, 10.0), faults.OUT_OF_ORDER: (0.0, 1.0)}
_COPY_SECONDS: Final = (0.0, 2.0)
_NEVER_PACKED: Final = frozenset({faults.HUGE, faults.DAMAGED_KPL})

_Trip = tuple[Ride, float, bool]
"""A ride, its true minutes, and whether the function certainly scores it."""


@dataclass(slots=True)
class _Waiting:
    """The contents of one unnumbered record: trips, or a copy of a record."""

    due: float
    fault: str | None
    trips: list[_Trip]
    original: OutgoingRecord | None = None


class Riders:
    """The rides of one part of a run. Same seed and same blocks, same records."""

    def __init__(
        self,
        run: ledger.Run,
        source: RideSource,
        drifts: Sequence[Drift],
        rates: Rates,
        seed: np.random.SeedSequence,
    ) -> None:
        self._run = run
        self._source = source
        self._drifts = drifts
        self._rng, draws, self._drift_rng = map(np.random.default_rng, seed.spawn(3))
        self._draws = faults.draw(rates, draws)
        self._numbers = itertools.count()
        self._held: list[tuple[float, int, _Waiting]] = []
        self._holds = itertools.count()
        self._group: _Waiting | None = None
        self._group_lacks = 0

    def records(self, blocks: Iterable[Times]) -> Iterator[OutgoingRecord]:
        """The records due, ascending, until the blocks or the source end; then the delayed ones, at
        their own times."""
        for block in blocks:
            trips = self._source.take(block)
            for waiting in self._in_turn(self._arrived(trips, block[: len(trips)]), block[-1]):
                yield from self._numbered(waiting)
            if len(trips) < len(block):
                break
        for waiting in self._in_turn([self._group] if self._group else [], float("inf")):
            yield from self._numbered(waiting)

    def _arrived(self, trips: Trips, arrivals: Times) -> Iterator[_Waiting]:
        """The records due on arrival. The others are held back."""
        for drift in self._drifts:
            trips = drift.apply(trips, arrivals, self._drift_rng)
        minutes = trips.duration_minutes.tolist()
        ordinary = rules.scorable(trips).tolist()
        found = zip(trips.rides(), minutes, ordinary, strict=True)
        for trip, at in zip(found, arrivals.tolist(), strict=True):
            if self._group:
                yield from self._joined(self._group, trip, at)
                continue
            fault, size = next(self._draws)
            waiting = _Waiting(at, fault, [trip])
            if fault in _HELD_SECONDS:
                self._hold(waiting, _HELD_SECONDS[fault])
            elif fault == faults.AGGREGATED:
                self._group, self._group_lacks = waiting, size - 1
            else:
                yield waiting

    def _joined(self, group: _Waiting, trip: _Trip, at: float) -> Iterator[_Waiting]:
        """The group once complete: it is due with its last ride."""
        group.trips.append(trip)
        group.due = at
        self._group_lacks -= 1
        if not self._group_lacks:
            self._group = None
            yield group

    def _in_turn(self, ready: Iterable[_Waiting], until: float) -> Iterator[_Waiting]:
        """Merges what is ready, in ascending order, with what was held back and is now due."""
        for waiting in ready:
            yield from self._released(waiting.due)
            yield waiting
        yield from self._released(until)

    def _released(self, until: float) -> Iterator[_Waiting]:
        while self._held and self._held[0][0] <= until:
            yield heapq.heappop(self._held)[-1]

    def _hold(self, waiting: _Waiting, seconds: tuple[float, float]) -> None:
        waiting.due += self._rng.uniform(*seconds)
        heapq.heappush(self._held, (waiting.due, next(self._holds), waiting))

    def _numbered(self, waiting: _Waiting) -> Iterator[OutgoingRecord]:
        if waiting.original:
            yield self._copy(waiting.original, waiting.due)
        elif waiting.fault == faults.AGGREGATED:
            yield from packed([self._record(waiting, trip) for trip in waiting.trips])
        else:
            record = self._record(waiting, waiting.trips[0])
            yield record
            if waiting.fault == faults.DUPLICATE:
                copy = _Waiting(record.due, faults.DUPLICATE, [], record)
                self._hold(copy, _COPY_SECONDS)

    def _record(self, waiting: _Waiting, trip: _Trip) -> OutgoingRecord:
        ride, minutes, ordinary = trip
        number = next(self._numbers)
        ride_id = ledger.ride_id(self._run, number)
        data = payloads.event(ride_id, ride)
        reason = None if ordinary else payloads.reason(data)
        fault = None if waiting.fault == faults.DUPLICATE else waiting.fault  # its copy has it
        if fault is not None:
            data, of_fault = payloads.faulty(fault, ride_id, data, self._rng)
            reason = of_fault or reason
        sent = SentRide(minutes, fault, reason)
        alone = fault in _NEVER_PACKED
        return OutgoingRecord(waiting.due, number, ride_id, data, (sent,), alone=alone)

    def _copy(self, original: OutgoingRecord, due: float) -> OutgoingRecord:
        """The same bytes again, as a separate ride in the ledger."""
        (ride,) = original.rides
        sent = SentRide(ride.minutes, faults.DUPLICATE, ride.reason, copy_of=original.first)
        return OutgoingRecord(
            due, next(self._numbers), original.partition_key, original.data, (sent,), alone=True
        )
