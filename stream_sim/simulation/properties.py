"""What must hold of every history, checked while it runs and when all has settled.

A property that breaks is noted with what broke it, and the history goes on.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from ride_scoring.events import Prediction, Reject
from stream_sim.set_aside import FailedRecord
from stream_sim.simulation.invocation import Invocation
from stream_sim.simulation.lambda_service import LONGEST_START_SECONDS, Environment
from stream_sim.simulation.models import minutes_a_mile
from stream_sim.simulation.rides import MARK, Event, Outgoing
from stream_sim.simulation.schedule import Schedule

Property = Literal[
    "lost",
    "never sent",
    "wrong",
    "two fates",
    "failed without a cause",
    "not the first undone",
    "put again",
    "several models",
    "another model than the pointer's",
    "pointer not read in time",
    "out of time",
    "held up",
    "moved back",
    "in the log",
    "no end",
    "crashed",
]
_TOLERANCE_MINUTES: Final = 1e-9
_ROUNDING_SECONDS: Final = 5.0
"""Polls, calls and the time that the function takes, beside the waits that a bound adds up."""


class Broken(msgspec.Struct, frozen=True):
    """A property that did not hold, and where."""

    name: Property
    what: str


class Sent(msgspec.Struct, frozen=True):
    """A record that entered the stream, and when."""

    outgoing: Outgoing
    at: float


class Properties:
    """Collects what is broken of one history."""

    def __init__(self, schedule: Schedule) -> None:
        self.broken: list[Broken] = []
        self.events: dict[str, Event] = {}
        self.records: dict[str, Sent] = {}
        self.unread: set[str] = set()
        self._schedule = schedule
        self._reached: dict[tuple[str, int], int] = {}

    def sent(self, record_id: str, outgoing: Outgoing, at: float, *, read: bool) -> None:
        """A record entered; `read` is whether the mapping begins to read before it."""
        self.records[record_id] = Sent(outgoing, at)
        if not read:
            self.unread.add(record_id)
        self.events.update(zip(event_ids(record_id, outgoing), outgoing.events, strict=True))

    def again(self, invocation: Invocation, event_id: str) -> None:
        self._note("put again", f"{event_id} in invocation {invocation.number}")

    def invocation_ended(self, invocation: Invocation, environment: Environment) -> None:
        where = f"invocation {invocation.number}"
        undone = invocation.first_undone()
        if invocation.outcome == "answered" and invocation.answer != undone:
            self._note(
                "not the first undone", f"{where} reports {invocation.answer}, and not {undone}"
            )
        failed = undone is not None or invocation.outcome != "answered"
        served = environment.follow.serves
        if failed and not invocation.causes and served is not None:
            self._note("failed without a cause", f"{where}: {invocation.outcome}, from {undone}")
        if invocation.outcome == "timed out" and not self._stalled(invocation):
            self._note("out of time", where)
        self._check_model(invocation, environment, where)

    def settled(self, shard_id: str, records: int, seconds: float) -> None:
        """A piece of a batch of so many records came to an end after so long."""
        if (bound := self._bound(records)) is not None and seconds > bound:
            self._note("held up", f"{shard_id} for {seconds:.0f} s, and {bound:.0f} are allowed")

    def checkpoints(self, checkpoints: Mapping[tuple[str, int], int]) -> None:
        for lane, reached in checkpoints.items():
            if reached < self._reached.get(lane, 0):
                self._note("moved back", f"{lane} to {reached}")
            self._reached[lane] = reached

    def log(self, said: str) -> None:
        if MARK in said:
            at = said.index(MARK)
            self._note("in the log", said[max(0, at - 80) : at + 80])

    def never_ended(self, why: str) -> None:
        self._note("no end", why)

    def crashed(self, error: Exception) -> None:
        self._note("crashed", f"{type(error).__name__}: {error}")

    def came_out(
        self,
        predictions: Iterable[Prediction],
        rejects: Iterable[Reject],
        failures: Iterable[FailedRecord],
    ) -> Counter[str]:
        """All that came out, held against all that entered; how often each event was predicted."""
        predicted = Counter(self._predicted(prediction) for prediction in predictions)
        rejected = {self._rejected(reject) for reject in rejects}
        failed = {self._failed(failure) for failure in failures}
        for record_id, sent in self.records.items():
            for event_id in event_ids(record_id, sent.outgoing):
                fates = (event_id in predicted) + (event_id in rejected)
                if not fates and record_id not in failed and record_id not in self.unread:
                    self._note("lost", f"{event_id}, a {sent.outgoing.kind}")
                if fates > 1:
                    self._note("two fates", event_id)
        return predicted

    def _predicted(self, prediction: Prediction) -> str:
        event = self.events.get(prediction.event_id)
        if event is None:
            self._note("never sent", f"a prediction of {prediction.event_id}")
        elif event.reason is not None or not _right(prediction, event):
            self._note("wrong", f"the prediction of {prediction.event_id}")
        return prediction.event_id

    def _rejected(self, reject: Reject) -> str:
        event = self.events.get(reject.event_id)
        if event is None:
            self._note("never sent", f"a reject of {reject.event_id}")
        elif event.reason != reject.reason or _bytes(reject) != event.data:
            self._note("wrong", f"the reject of {reject.event_id}, for {reject.reason}")
        return reject.event_id

    def _failed(self, failure: FailedRecord) -> str:
        sent = self.records.get(failure.event_id)
        if sent is None:
            self._note("never sent", f"a failure of {failure.event_id}")
        elif (failure.data, failure.partition_key) != (
            sent.outgoing.entry.data,
            sent.outgoing.entry.partition_key,
        ):
            self._note("wrong", f"what was set aside of {failure.event_id}")
        return failure.event_id

    def _check_model(self, invocation: Invocation, environment: Environment, where: str) -> None:
        served = environment.follow.serves
        if len(invocation.versions) > 1:
            self._note("several models", f"{where}: {sorted(invocation.versions)}")
        elif invocation.versions and invocation.versions != {served}:
            self._note(
                "another model than the pointer's",
                f"{where}: {min(invocation.versions)}, and not {served}",
            )
        if invocation.outcome == "answered" and environment.follow.has_to_look:
            self._note("pointer not read in time", where)

    def _stalled(self, invocation: Invocation) -> bool:
        """Whether faults that no code of the function's can bound took the time that it keeps."""
        return invocation.stalled_seconds > self._schedule.function.reserved_seconds / 2

    def _bound(self, records: int) -> float | None:
        """How long a batch may hold up what is behind it, by the mapping's settings."""
        mapping, function = self._schedule.mapping, self._schedule.function
        attempt = (
            LONGEST_START_SECONDS + function.timeout_seconds + mapping.reading.longest_wait_seconds
        )
        bounds = []
        if mapping.retry_attempts >= 0:
            halvings = math.ceil(math.log2(records)) if mapping.bisect and records > 1 else 0
            bounds.append((mapping.retry_attempts + 1 + halvings) * attempt)
        if mapping.record_age_seconds >= 0:
            bounds.append(mapping.record_age_seconds + attempt)
        # While Lambda has no environment for it, only the record's age ends the tries.
        away = sum(f.seconds for f in self._schedule.faults if f.kind == "not-invoked")
        return min(bounds) + away + _ROUNDING_SECONDS if bounds else None

    def _note(self, name: Property, what: str) -> None:
        self.broken.append(Broken(name, what))


def event_ids(record_id: str, outgoing: Outgoing) -> tuple[str, ...]:
    """The identities of the events in a record."""
    if not outgoing.aggregated:
        return (record_id,)
    return tuple(f"{record_id}:{index}" for index in range(len(outgoing.events)))


def _right(prediction: Prediction, event: Event) -> bool:
    minutes = event.miles * minutes_a_mile(int(prediction.version))
    said = prediction.prediction
    return (
        said.ride_id == event.ride_id
        and prediction.ride.trip_distance == event.miles
        and prediction.run_id == f"run-{prediction.version}"
        and abs(said.ride_duration - minutes) < _TOLERANCE_MINUTES
    )


def _bytes(reject: Reject) -> bytes:
    return msgspec.convert(reject.data_base64, bytes)
