"""What must hold for every history, checked while it runs and once everything has settled.

A violation is noted with what caused it, and the history goes on.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from ride_scoring.backoff import MAX_WAIT_SECONDS
from ride_scoring.domain import Prediction
from ride_scoring.scoring import UNTRIED
from ride_scoring.streams.records import Reject
from stream_sim.kinesis.dead_letters import FailedRecord
from stream_sim.simulation.broken import Broken, Property
from stream_sim.simulation.checks.deliveries import PART, Deliveries
from stream_sim.simulation.checks.identities import Identities
from stream_sim.simulation.schedule import Schedule
from stream_sim.simulation.world import models
from stream_sim.simulation.world.invocation import Invocation
from stream_sim.simulation.world.lambda_service import LONGEST_START_SECONDS, Environment
from stream_sim.simulation.world.rides import MARKS, Event, Outgoing
from stream_sim.simulation.world.services import FULL
from stream_sim.simulation.world.stream import NOWHERE, Position

_TOLERANCE_MINUTES: Final = 1e-9
_WAITED_FOR: Final = frozenset(
    {"put-throttled", "put-half-failed", "put-error", "put-lost", "put-slow", FULL}
)
_MOST_IDS: Final = 2
"""Per event: its record's, and another if several records of a batch share that one."""
_LAST_CALL_SECONDS: Final = 1.0
_ROUNDING_SECONDS: Final = 5.0
"""Polls, calls and the function's own time, on top of the waits that make up a bound."""


class Sent(msgspec.Struct, frozen=True):
    """A record that entered the stream, and when; `read` is whether the mapping reads it and passes
    it on."""

    outgoing: Outgoing
    at: datetime
    read: bool


class Properties:
    """Collects the property violations of one history."""

    def __init__(self, schedule: Schedule) -> None:
        self.broken: list[Broken] = []
        self.events: dict[str, tuple[Event, Sent]] = {}
        self.records: dict[str, Sent] = {}
        self.identities = Identities()
        self.deliveries = Deliveries(self.note, self.identities.of_record)
        self.undelivered: set[str] = set()
        """Records whose on-failure document never reached its destination: AWS drops them."""
        self._untried: set[str] = set()
        self._ids: defaultdict[str, set[str]] = defaultdict(set)
        self._schedule = schedule
        self._reached: dict[tuple[str, int], Position] = {}

    def sent(self, record_id: str, sent: Sent) -> None:
        """A record entered the stream."""
        self.records[record_id] = sent
        for event_id, event in zip(
            event_ids(record_id, sent.outgoing), sent.outgoing.events, strict=True
        ):
            self.events[event_id] = event, sent

    def invocation_ended(self, invocation: Invocation, environment: Environment) -> None:
        where = f"invocation {invocation.number}"
        undone = invocation.first_undone()
        if invocation.outcome == "answered" and invocation.answer != undone:
            self.note(
                "not the first undone", f"{where} reports {invocation.answer}, and not {undone}"
            )
        if invocation.outcome == "raised":
            self.note("raised", where)
        failed = undone is not None or invocation.outcome != "answered"
        served = environment.follow.serves
        if failed and not invocation.causes and served is not None:
            self.note("failed without a cause", f"{where}: {invocation.outcome}, from {undone}")
        if invocation.outcome == "timed out" and not self._stalled(invocation):
            self.note("out of time", where)
        if undone is not None and self._had_time(invocation):
            self.note("gave up early", where)
        self._check_model(invocation, environment, where)

    def sent_apart(self, record_id: str, parts: Sequence[Sent], *, share_it: bool) -> None:
        """An aggregate entered whose user records the mapping delivers as records; `share_it` is
        whether they all have its id."""
        shard_id, _, number = record_id.partition(":")
        names = [
            f"{record_id}{PART}{place}" if share_it else f"{shard_id}:{int(number) + place}"
            for place in range(len(parts))
        ]
        for name, part in zip(names, parts, strict=True):
            self.sent(name, part)
        if share_it:
            events = [event for part in parts for event in part.outgoing.events]
            self.identities.share(record_id, list(zip(names, events, strict=True)))

    def settled(self, shard_id: str, records: int, seconds: float) -> None:
        """A piece of a batch of that many records was finished after that many seconds."""
        if (bound := self._bound(records)) is not None and seconds > bound:
            self.note("held up", f"{shard_id} for {seconds:.0f} s, and {bound:.0f} are allowed")

    def checkpointed(self, lane: tuple[str, int], reached: Position) -> None:
        if reached <= self._reached.get(lane, NOWHERE):
            self.note("moved back", f"{lane} to {reached}")
        self._reached[lane] = reached

    def log(self, said: str) -> None:
        for mark in MARKS:
            if (at := said.find(mark)) >= 0:
                self.note("in the log", said[max(0, at - 80) : at + 80])

    def unreadable(self, error: Exception) -> None:
        self.note("wrong", f"what came out cannot be read: {type(error).__name__}: {error}")

    def never_ended(self, why: str) -> None:
        self.note("no end", why)

    def crashed(self, error: Exception) -> None:
        self.note("crashed", f"{type(error).__name__}: {error}")

    def came_out(
        self,
        predictions: Iterable[Prediction],
        rejects: Iterable[Reject],
        failures: Iterable[FailedRecord],
    ) -> Counter[str]:
        """Check all output against all input; returns how often each event was predicted."""
        predicted = Counter(self._predicted(prediction) for prediction in predictions)
        rejected = {self._rejected(reject) for reject in rejects}
        failed = Counter(self._failed(failure) for failure in failures)
        kept = failed.keys() | self.undelivered
        for record_id, sent in self.records.items():
            if failed[record_id] > 1 or (failed[record_id] and self.deliveries.done(record_id)):
                self.note("two fates", f"{record_id} was set aside though it was done")
            for event_id in event_ids(record_id, sent.outgoing):
                fates = (event_id in predicted) + (event_id in rejected)
                if not fates and record_id not in kept and sent.read:
                    self.note("lost", f"{event_id}, a {sent.outgoing.kind}")
                # What there was no time to try may be retried by another invocation.
                if fates > 1 and event_id not in self._untried:
                    self.note("two fates", event_id)
        return predicted

    def _predicted(self, prediction: Prediction) -> str:
        ride_id = prediction.prediction.ride_id
        event_id = self.identities.of(prediction.event_id, lambda event: event.ride_id == ride_id)
        self._ids[event_id].add(prediction.event_id)
        if len(self._ids[event_id]) > _MOST_IDS:
            self.note("wrong", f"the ids of {event_id}: {', '.join(sorted(self._ids[event_id]))}")
        found = self.events.get(event_id)
        if found is None:
            self.note("never sent", f"a prediction of {event_id}")
        elif found[0].reason is not None or not _right(prediction, *found):
            self.note("wrong", f"the prediction of {event_id}")
        return event_id

    def _rejected(self, reject: Reject) -> str:
        data = msgspec.convert(reject.data_base64, bytes)
        event_id = self.identities.of_data(reject.event_id, reject.partition_key, data)
        found = self.events.get(event_id)
        if UNTRIED in reject.detail:
            self._untried.add(event_id)
        if found is None:
            self.note("never sent", f"a reject of {event_id}")
        elif not _rightly(reject, *found):
            self.note("wrong", f"the reject of {event_id}, for {reject.reason}")
        return event_id

    def _failed(self, failure: FailedRecord) -> str:
        record_id = self.identities.of_data(failure.event_id, failure.partition_key, failure.data)
        sent = self.records.get(record_id)
        if sent is None:
            self.note("never sent", f"a failure of {record_id}")
        elif (failure.data, failure.partition_key) != (
            sent.outgoing.entry.data,
            sent.outgoing.entry.partition_key,
        ):
            self.note("wrong", f"what was set aside of {record_id}")
        return record_id

    def not_delivered(self, records: Iterable[FailedRecord]) -> int:
        """Records could not be dead-lettered; returns how many events are in them."""
        count = 0
        for record in records:
            name = self.identities.of_data(record.event_id, record.partition_key, record.data)
            self.undelivered.add(name)
            count += len(self.records[name].outgoing.events) if name in self.records else 0
        return count

    def _check_model(self, invocation: Invocation, environment: Environment, where: str) -> None:
        served = environment.follow.serves
        if len(invocation.versions) > 1:
            self.note("several models", f"{where}: {sorted(invocation.versions)}")
        elif invocation.versions and invocation.versions != {served}:
            self.note(
                "another model than the pointer's",
                f"{where}: {min(invocation.versions)}, and not {served}",
            )
        if invocation.outcome == "answered" and environment.follow.has_to_look:
            self.note("pointer not read in time", where)

    def _stalled(self, invocation: Invocation) -> bool:
        """Whether faults the function cannot bound took up its reserved time."""
        return invocation.stalled_seconds > self._schedule.function.reserved_seconds / 2

    def _had_time(self, invocation: Invocation) -> bool:
        """Whether only a refusing stream was met, and there was time to retry."""
        kept = self._schedule.function.reserved_seconds + MAX_WAIT_SECONDS + _LAST_CALL_SECONDS
        return (
            invocation.outcome == "answered"
            and set() < set(invocation.causes) <= _WAITED_FOR
            and invocation.seconds_left > kept
        )

    def _bound(self, records: int) -> float | None:
        """How long a batch may hold up the records behind it, by the mapping's settings."""
        mapping, function = self._schedule.mapping, self._schedule.function
        attempt = (
            LONGEST_START_SECONDS + function.timeout_seconds + mapping.reading.longest_wait_seconds
        )
        bounds = []
        if mapping.retry_attempts >= 0:
            halvings = math.ceil(math.log2(records)) if mapping.bisect and records > 1 else 0
            tries = mapping.retry_attempts + 1
            # The previous window's final invocation comes first, with as many retries.
            ahead = tries if mapping.tumbling_window_seconds else 0
            bounds.append((ahead + tries + halvings) * attempt)
        if mapping.record_age_seconds >= 0:
            bounds.append(mapping.record_age_seconds + attempt)
        # While Lambda has no environment available, only the record's age ends the retries.
        away = sum(f.seconds for f in self._schedule.faults if f.kind == "not-invoked")
        away += mapping.batching_window_seconds + _ROUNDING_SECONDS
        return min(bounds) + away if bounds else None

    def note(self, name: Property, what: str) -> None:
        self.broken.append(Broken(name, what))


def event_ids(record_id: str, outgoing: Outgoing) -> tuple[str, ...]:
    """The ids of the events in a record."""
    if not outgoing.aggregated:
        return (record_id,)
    return tuple(f"{record_id}:{index}" for index in range(len(outgoing.events)))


def _right(prediction: Prediction, event: Event, sent: Sent) -> bool:
    said, version = prediction.prediction, int(prediction.version)
    minutes = models.minutes(version, prediction.ride.trip_distance)
    return (
        (said.ride_id, prediction.ride) == (event.ride_id, event.ride)
        and (prediction.model, prediction.role) == (models.NAME, "champion")
        and (prediction.run_id, prediction.arrived_at) == (f"run-{version}", sent.at)
        and abs(said.ride_duration - minutes) < _TOLERANCE_MINUTES
    )


def _rightly(reject: Reject, event: Event, sent: Sent) -> bool:
    reasons = {event.reason, "model_output"} if UNTRIED in reject.detail else {event.reason}
    return (
        reject.reason in reasons
        and msgspec.convert(reject.data_base64, bytes) == event.data
        and (reject.partition_key, reject.arrived_at) == (event.partition_key, sent.at)
    )
