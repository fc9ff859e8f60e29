"""Run a schedule to its outcome, through the stream, the mapping and the function."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from ride_scoring.domain import Prediction
from ride_scoring.errors import UNREADABLE
from ride_scoring.streams import kinesis_event, kpl
from ride_scoring.streams.records import Reject
from ride_scoring.streams.rejects import PREFIX as REJECTS_PREFIX
from ride_scoring.telemetry import Telemetry
from stream_sim.kinesis import dead_letters
from stream_sim.simulation.broken import Broken
from stream_sim.simulation.checks.properties import Properties, Sent, event_ids
from stream_sim.simulation.mapping import fan_out
from stream_sim.simulation.mapping.mapping import EventSourceMapping
from stream_sim.simulation.schedule import Burst, Change, Move, Schedule
from stream_sim.simulation.world import models, rides
from stream_sim.simulation.world.buckets import MODELS, REJECTS, Buckets
from stream_sim.simulation.world.captured import captured
from stream_sim.simulation.world.clock import Clock, OutOfTime
from stream_sim.simulation.world.fault_injector import FaultInjector
from stream_sim.simulation.world.invocation import Given, Invocation
from stream_sim.simulation.world.lambda_service import Environment, LambdaService, Result, World
from stream_sim.simulation.world.services import contents
from stream_sim.simulation.world.stream import (
    LARGE_RECORD_BYTES,
    USUAL_RECORD_BYTES,
    Entry,
    Stream,
    Taken,
)

_BEGINNING: Final = 1_673_703_060.0
"""In January 2023."""
_RETENTION_SECONDS: Final = 86_400.0
_LONGEST_SECONDS: Final = 40 * 86_400.0
"""What has not settled by then never will."""
_STARTS_SECONDS: Final = 5.0005
_TIMESTAMP_SECONDS: Final = 2.5005
"""When a mapping that does not read from the beginning starts, and its AT_TIMESTAMP."""


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of a history. `repeats` counts predictions of events that already had one."""

    broken: tuple[Broken, ...]
    records: int
    events: int
    predicted: int
    rejected: int
    failed: int
    dropped: int
    """Events Lambda dropped: by enhanced fan-out, or because they could not be dead-lettered."""
    repeats: int
    invocations: int
    cut_short: int
    """Invocations that met a fault."""
    seconds: float
    """In virtual time."""


def run(schedule: Schedule, tell: Callable[[float, str], None] = lambda *_: None) -> Outcome:
    """Run a history. `tell` is called with each step's seconds from the start and a description."""
    with captured() as log:
        history = _History(schedule, tell)
        history.run()
        history.properties.log(log.getvalue())
    return history.outcome()


class _History:
    def __init__(self, schedule: Schedule, tell: Callable[[float, str], None]) -> None:
        self.properties = Properties(schedule)
        self._schedule = schedule
        self._clock = clock = Clock(_BEGINNING)
        self._tell: Callable[[str], None] = lambda what: tell(clock.now - _BEGINNING, what)
        self._buckets = Buckets()
        self._events = Stream(
            clock,
            schedule.events_shards,
            retention_seconds=_RETENTION_SECONDS,
            own_numbers=schedule.own_numbers,
            record_bytes=LARGE_RECORD_BYTES if schedule.large_records else USUAL_RECORD_BYTES,
        )
        self._predictions = Stream(
            clock, schedule.predictions_shards, retention_seconds=_RETENTION_SECONDS
        )
        self._faults = FaultInjector(clock, schedule.faults)
        world = World(
            clock,
            self._faults,
            self._buckets,
            self._predictions,
            schedule.function,
            Telemetry("simulated"),
            {str(move.version) for move in schedule.moves if not move.damage}.__contains__,
            self.properties.note,
        )
        self._lambda = LambdaService(world, self._ended)
        self._mapping = EventSourceMapping(
            clock,
            self._events,
            schedule.mapping,
            self._invoke,
            self._set_aside,
            self.properties.settled,
            self.properties.checkpointed,
        )
        self._cut_short = 0
        self._predicted = 0
        self._rejected = 0
        self._failed = 0
        self._dropped = 0
        self._repeats = 0

    def run(self) -> None:
        self._plan()
        try:
            self._clock.run(until=_BEGINNING + _LONGEST_SECONDS)
        except OutOfTime:
            self.properties.never_ended("records are still tried")
        except Exception as error:  # noqa: BLE001 - any of them counts against this history
            self.properties.crashed(error)
        finally:
            self._clock.close()
        try:
            self._account()
        except (*UNREADABLE, kpl.DamagedAggregate) as error:
            self.properties.unreadable(error)

    def outcome(self) -> Outcome:
        return Outcome(
            broken=tuple(self.properties.broken),
            records=len(self.properties.records),
            events=len(self.properties.events),
            predicted=self._predicted,
            rejected=self._rejected,
            failed=self._failed,
            dropped=self._dropped,
            repeats=self._repeats,
            invocations=self._lambda.invocations,
            cut_short=self._cut_short,
            seconds=self._clock.now - _BEGINNING,
        )

    def _account(self) -> None:
        rejects, failures = list(self._all_rejects()), list(self._all_failures())
        predicted = self.properties.came_out(self._all_predictions(), rejects, failures)
        self._predicted = len(predicted)
        self._repeats = predicted.total() - len(predicted)
        self._rejected = len({reject.event_id for reject in rejects})
        self._failed = len({failure.event_id for failure in failures})

    def _plan(self) -> None:
        """Schedule what comes at a fixed time, whatever becomes of the rest."""
        from_beginning = self._schedule.mapping.starting_position == "TRIM_HORIZON"
        for move in self._schedule.moves:
            self._at(move.at, partial(self._move, move))
        self._at(
            0.0 if from_beginning else _STARTS_SECONDS,
            lambda: self._mapping.start(_BEGINNING + _TIMESTAMP_SECONDS),
        )
        for burst in self._schedule.bursts:
            self._at(burst.at, partial(self._clock.spawn, partial(self._send, burst)))
        for change in self._schedule.changes:
            self._at(change.at, partial(self._change, change))

    def _at(self, seconds: float, call: Callable[[], object]) -> None:
        self._clock.at(_BEGINNING + seconds, call)

    def _move(self, move: Move) -> None:
        self._tell(f"the alias moves to version {move.version}, {move.damage or 'whole'}")
        for key, body in models.objects(move).items():
            if body is None:
                self._buckets.named(MODELS).pop(key, None)
            else:
                self._buckets.put(MODELS, key, body)

    def _send(self, burst: Burst) -> None:
        """A producer that retries refused records."""
        self._tell(f"{len(burst.kinds)} records are sent")
        pending = list(rides.records(burst))
        while pending:
            refused = []
            for outgoing in pending:
                (taken,) = self._events.put([outgoing.entry])
                if isinstance(taken, Taken):
                    self._sent(taken, outgoing)
                else:
                    refused.append(outgoing)
            if pending := refused:
                self._clock.sleep(1.0)

    def _sent(self, taken: Taken, outgoing: rides.Outgoing) -> None:
        read = self._clock.now - _BEGINNING >= self._reads_from()
        record_id = f"{taken.shard_id}:{taken.sequence_number}"
        if outgoing.aggregated and self._schedule.mapping.enhanced_fan_out:
            self._sent_apart(record_id, taken.shard_id, outgoing, read=read)
        else:
            self.properties.sent(record_id, Sent(outgoing, self._clock.datetime, read))

    def _sent_apart(
        self, record_id: str, shard_id: str, outgoing: rides.Outgoing, *, read: bool
    ) -> None:
        """An aggregate that Lambda unpacks, dropping what belongs to other shards."""
        reading = self._schedule.mapping.reading
        (shard,) = (shard for shard in self._events.shards if shard.shard_id == shard_id)
        parts = []
        user_records = kpl.user_records(outgoing.entry.data)
        for event, user_record in zip(outgoing.events, user_records, strict=True):
            part = rides.Outgoing(outgoing.kind, Entry(event.data, event.partition_key), (event,))
            belongs = fan_out.belongs(user_record, shard, reading)
            self._dropped += read and not belongs
            parts.append(Sent(part, self._clock.datetime, read and belongs))
        self.properties.sent_apart(record_id, parts, share_it=reading.shared_numbers)

    def _reads_from(self) -> float:
        match self._schedule.mapping.starting_position:
            case "LATEST":
                return _STARTS_SECONDS
            case "AT_TIMESTAMP":
                return _TIMESTAMP_SECONDS
        return 0.0

    def _change(self, change: Change) -> None:
        self._tell(change.kind)
        if change.kind == "mapping-restarts":
            self._mapping.restart()
            return
        stream = self._events if change.kind.endswith("events") else self._predictions
        shards = stream.open_shards()
        at = change.pick % len(shards)
        if change.kind.startswith("split"):
            stream.split(shards[at])
        elif len(shards) > 1:
            at = min(at, len(shards) - 2)
            stream.merge(shards[at], shards[at + 1])

    def _set_aside(self, key: str, body: bytes) -> None:
        """Write to the on-failure destination, as Lambda does; it does not retry:
        https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"""
        if not self._faults.strikes("undelivered"):
            self._buckets.put(REJECTS, key, body)
            return
        records = list(dead_letters.failed_records(body))
        self._tell(f"{len(records)} records cannot be set aside: they are dropped")
        self._dropped += self.properties.not_delivered(records)

    def _invoke(self, event: Mapping[str, Any]) -> Result:
        records = event["Records"]
        shard_id = records[0]["eventID"].partition(":")[0] if records else "none"
        ids = [(r["eventID"], r["kinesis"]["partitionKey"], r["kinesis"]["data"]) for r in records]
        given = list(map(self._given, records, kinesis_event.distinct_ids(ids)))
        generation = self._mapping.generation
        delivery = self.properties.deliveries.begin(event, generation)
        result = self._lambda.invoke(event, shard_id, given)
        delivery.result, delivery.cut_off = result, self._mapping.generation != generation
        return result

    def _given(self, record: Mapping[str, Any], record_id: str) -> Given:
        """`record_id` is the id by which the function tells it from the others of the batch."""
        name = self.properties.identities.of_record(record)
        outgoing = self.properties.records[name].outgoing
        number = record["kinesis"]["sequenceNumber"]
        return Given(number, outgoing.kind, event_ids(record_id, outgoing))

    def _ended(self, invocation: Invocation, environment: Environment) -> None:
        self._cut_short += bool(invocation.causes)
        self.properties.invocation_ended(invocation, environment)
        self._tell(_line(invocation, environment))

    def _all_predictions(self) -> Iterator[Prediction]:
        decoder = msgspec.json.Decoder(Prediction)
        for shard in self._predictions.shards:
            for record in shard.records:
                for _, data in contents(Entry(record.data, record.partition_key)):
                    yield decoder.decode(data)

    def _all_rejects(self) -> Iterator[Reject]:
        decoder = msgspec.json.Decoder(Reject)
        for body in self._objects(REJECTS_PREFIX):
            yield from map(decoder.decode, body.splitlines())

    def _all_failures(self) -> Iterator[dead_letters.FailedRecord]:
        for body in self._objects(dead_letters.FAILURES_PREFIX):
            yield from dead_letters.failed_records(body)

    def _objects(self, prefix: str) -> Iterator[bytes]:
        for key, stored in self._buckets.named(REJECTS).items():
            if key.startswith(prefix):
                yield stored.body


def _line(invocation: Invocation, environment: Environment) -> str:
    records = invocation.records
    numbers = (
        f"{records[0].sequence_number[-8:]}…{records[-1].sequence_number[-8:]}" if records else ""
    )
    met = f", met {', '.join(dict.fromkeys(invocation.causes))}" if invocation.causes else ""
    reports = f", reports {invocation.answer[-8:]}" if invocation.answer else ""
    return (
        f"invocation {invocation.number} in environment {environment.number} of "
        f"{invocation.shard_id}: {len(records)} records {numbers}, {len(invocation.taken)} "
        f"predicted, {len(invocation.set_aside)} rejected by version {environment.follow.serves}: "
        f"{invocation.outcome}{reports}{met}"
    )
