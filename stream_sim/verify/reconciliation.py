"""Matches outcomes against rides, and records what is known of each ride.

Pure. An outcome names a ride and the event it was sent as. Both must match: a ride may be sent
twice on purpose, and each of its records needs its own outcome.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
import numpy as np

from ride_scoring.domain import Prediction
from ride_scoring.streams.records import Reject
from stream_sim import ledger
from stream_sim.kinesis.dead_letters import FailedRecord, unpacked
from stream_sim.verify.accuracy import Errors
from stream_sim.verify.rides import (
    ANSWERED_AS_ANOTHER,
    FAILED,
    NO_DURATION,
    PREDICTED,
    REDRIVEN,
    REJECTED,
    TAKEN,
    UNANSWERED,
    Rides,
    Row,
    event_code,
    reason_code,
)
from stream_sim.verify.timeline import Timeline

_MOST_KEPT: Final = 100_000
"""Outcomes that match no event yet: beyond this, the problem is not just their order."""
_MOST_MINUTES: Final = 1e6
"""Two years: anything longer is not a duration."""


class Seen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is kept of a prediction: ride, event, minutes and model; when it arrived (seconds since
    the epoch), and its latency (milliseconds)."""

    part: int
    number: int
    event: int
    minutes: float
    model: str
    arrived_at: float
    latency_ms: float


def seen(prediction: Prediction, arrived_at: datetime, run: str) -> Seen | None:
    """None if it is of another run, or from a shadow model, which is no answer to a ride."""
    place = ledger.number_of(str(prediction.prediction.ride_id))
    if prediction.role == "shadow" or place is None or place[0] != run:
        return None
    return Seen(
        part=place[1],
        number=place[2],
        event=event_code(prediction.event_id),
        minutes=prediction.prediction.ride_duration,
        model=f"{prediction.model} {prediction.version}",
        arrived_at=arrived_at.timestamp(),
        latency_ms=(arrived_at - prediction.arrived_at).total_seconds() * 1000,
    )


class _Failed(msgspec.Struct, frozen=True):
    """Lambda gave up on a ride's event, part of the record `record_id`: a redrive marks the former
    or, if it was by an earlier release, the latter."""

    part: int
    number: int
    event: int
    event_id: str
    record_id: str


class _Found(msgspec.Struct, gc=False):
    """The row of a ride's event; `fits` is whether the ride is known to have been sent as it."""

    rides: Rides
    number: int
    row: Row
    fits: bool


class Reconciliation:
    """Takes outcomes in any order, and any of them more than once."""

    def __init__(self, run: str, rides: Mapping[int, Rides], timeline: Timeline) -> None:
        self.rides = rides
        self.timeline = timeline
        self.models: Counter[str] = Counter()
        self.errors: dict[str, Errors] = {}
        self.last_arrived_at = 0.0
        self.repeated = 0
        self.dropped = 0
        """Outcomes that match no event, beyond those kept."""
        taken = sum(part.taken_count() for part in rides.values())
        self.open = taken
        """How many rides accepted by the stream have no outcome yet."""
        self.unsure = sum(part.count for part in rides.values()) - taken
        """Likewise, how many rides that the stream may not have accepted."""
        self._run = run
        self._redriven: frozenset[str] = frozenset()
        self._unmatched: list[Seen | Reject | _Failed] = []
        self._never_sent: set[tuple[int, int]] = set()

    @property
    def never_sent(self) -> int:
        """How many rides of the run have an outcome but are not in its ledger."""
        return len(self._never_sent)

    def redriven(self, event_ids: frozenset[str]) -> None:
        """Take the ids of all redriven events. All dead letters must be passed in again after
        this."""
        self._redriven = event_ids

    def predicted(self, page: Sequence[Seen]) -> None:
        """Predictions arrived."""
        fresh = [(outcome, row) for outcome in page if (row := self._predicted(outcome))]
        if not fresh:
            return
        arrived_at = np.array([outcome.arrived_at for outcome, _ in fresh])
        latency_ms = np.array([outcome.latency_ms for outcome, _ in fresh])
        self.last_arrived_at = max(self.last_arrived_at, float(arrived_at.max()))
        self.timeline.predicted(arrived_at, latency_ms)
        for model in {outcome.model for outcome, _ in fresh}:
            self._measure(model, [pair for pair in fresh if pair[0].model == model])

    def rejected(self, reject: Reject) -> None:
        """A reject was written."""
        place = ledger.number_of(reject.partition_key)
        if place is None or place[0] != self._run:
            return
        found = self._find(*place[1:], event_code(reject.event_id), reject)
        if found is None:
            return
        row = found.row
        if not row.state & REJECTED:
            self.timeline.count("rejected", np.array([reject.rejected_at.timestamp()]))
        # If rejected twice for two reasons, the unexpected one is kept.
        if row.came in (0, row.reason) or row.state & REDRIVEN:
            row.came = reason_code(reject.reason)
        self._write(found, REJECTED | self._redriven_bit(reject.event_id))

    def failed(self, record: FailedRecord) -> None:
        """Lambda gave up on a record, with everything packed in it."""
        for event in unpacked(record):
            place = ledger.number_of(event.partition_key)
            if place is None or place[0] != self._run:
                continue
            code = event_code(event.event_id)
            self._failed(_Failed(*place[1:], code, event.event_id, record.event_id))

    def settle(self) -> None:
        """Retry outcomes that matched no event; those that still match none answer another
        event."""
        unmatched, self._unmatched = self._unmatched, []
        for outcome in unmatched:
            match outcome:
                case Reject():
                    self.rejected(outcome)
                case Seen():
                    self.predicted([outcome])
                case _Failed():
                    self._failed(outcome)
        for outcome in self._unmatched:
            self._answered_as_another(outcome)

    def _predicted(self, outcome: Seen) -> Row | None:
        """The ride's row, if this is its first prediction."""
        found = self._find(outcome.part, outcome.number, outcome.event, outcome)
        if found is None:
            return None
        if found.row.state & PREDICTED:
            self.repeated += 1
            return None
        if not found.row.event:
            found.row.event = outcome.event
        if not 0 <= outcome.minutes < _MOST_MINUTES:
            self._write(found, PREDICTED | NO_DURATION)
            return None
        self._write(found, PREDICTED)
        return found.row

    def _failed(self, outcome: _Failed) -> None:
        found = self._find(outcome.part, outcome.number, outcome.event, outcome)
        if found is not None:
            ids = (outcome.event_id, outcome.record_id)
            self._write(found, FAILED | self._redriven_bit(*ids))

    def _measure(self, model: str, pairs: Sequence[tuple[Seen, Row]]) -> None:
        self.models[model] += len(pairs)
        arrived_at = np.array([outcome.arrived_at for outcome, _ in pairs])
        predicted = np.array([outcome.minutes for outcome, _ in pairs])
        true = np.array([row.minutes for _, row in pairs])
        counts, errors = self.errors.setdefault(model, Errors()).add(predicted, true)
        self.timeline.erred(arrived_at[counts], errors)

    def _find(
        self, part: int, number: int, event: int, outcome: Seen | Reject | _Failed
    ) -> _Found | None:
        """The ride's record the outcome is for; None if there is none yet, and the outcome is
        kept."""
        rides = self.rides.get(part)
        if rides is None or number >= rides.count:
            if len(self._never_sent) < _MOST_KEPT:
                self._never_sent.add((part, number))
            return None
        unsure: _Found | None = None
        for copy, row in _copies(rides, number):
            if row.event == event:
                return _Found(rides, copy, row, fits=True)
            if row.event and not row.state & (UNANSWERED | REDRIVEN):
                continue
            # Of two redriven ones, each needs its own outcome.
            if unsure is None or (unsure.row.has_outcome and not row.has_outcome):
                unsure = _Found(rides, copy, row, fits=False)
        if unsure is None and len(self._unmatched) < _MOST_KEPT:
            self._unmatched.append(outcome)
        elif unsure is None:
            self.dropped += 1
        return unsure

    def _answered_as_another(self, outcome: Seen | Reject | _Failed) -> None:
        if isinstance(outcome, Reject):
            place = ledger.number_of(outcome.partition_key)
            part, number = place[1:] if place else (0, 0)
        else:
            part, number = outcome.part, outcome.number
        rides = self.rides[part]
        self._write(_Found(rides, number, rides.row(number), fits=False), ANSWERED_AS_ANOTHER)

    def _write(self, found: _Found, bits: int) -> None:
        row = found.row
        was_open, was_unsure = _is_open(row), _is_unsure(row)
        row.state |= bits
        found.rides.write(found.number, row)
        self.open += _is_open(row) - was_open
        self.unsure += _is_unsure(row) - was_unsure

    def _redriven_bit(self, *event_ids: str) -> int:
        return 0 if self._redriven.isdisjoint(event_ids) else REDRIVEN


def _copies(rides: Rides, number: int) -> Iterator[tuple[int, Row]]:
    """The rows of the ride with that number and of its copies."""
    row = rides.row(number)
    yield number, row
    while row.copy:
        number = row.copy - 1
        row = rides.row(number)
        yield number, row


def _is_open(row: Row) -> bool:
    return bool(row.state & TAKEN) and not row.has_outcome


def _is_unsure(row: Row) -> bool:
    return not row.state & (TAKEN | PREDICTED | REJECTED | FAILED)
