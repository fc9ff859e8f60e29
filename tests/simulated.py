"""A simulated stream and mapping whose function is a test's own, run to the end."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ride_scoring.streams import kpl
from stream_sim.kinesis import dead_letters
from stream_sim.kinesis.dead_letters import FailedRecord
from stream_sim.simulation.mapping.mapping import EventSourceMapping
from stream_sim.simulation.schedule import MappingSettings
from stream_sim.simulation.world.clock import Clock
from stream_sim.simulation.world.lambda_service import Answered, Result
from stream_sim.simulation.world.stream import HASH_KEYS, USUAL_RECORD_BYTES, Entry, Stream

BEGINNING = 1_000_000.0
DAY = 86_400.0
DONE = Answered({"batchItemFailures": []})


def entry(name: str, *, key: str = "key", place: float | None = None, size: int = 0) -> Entry:
    """Data that tells which it is; `place`, from 0 to 1, is where its hash key lies."""
    hash_key = None if place is None else int(place * HASH_KEYS)
    return Entry(name.encode() + b" " * size, key, hash_key)


def aggregate(*keys: str) -> Entry:
    """A record of the Kinesis Producer Library's, whose user records hold their own keys; its own
    key, and their explicit hash key, belong to the first shard.
    """
    return Entry(kpl.pack([(key, key.encode()) for key in keys], "0"), "a")


def names(event: Mapping[str, Any]) -> list[str]:
    """Which records an event holds."""
    data = [msgspec.convert(record["kinesis"]["data"], bytes) for record in event["Records"]]
    return [item.decode().strip() for item in data]


def reported(event: Mapping[str, Any], *reports: str) -> Answered:
    """The answer that reports those records of the event."""
    records = [event["Records"][names(event).index(name)] for name in reports]
    numbers = [record["kinesis"]["sequenceNumber"] for record in records]
    return Answered({"batchItemFailures": [{"itemIdentifier": number} for number in numbers]})


class Simulated:
    """`function` takes an event and gives its result; `calls` are what it was called with, and
    when, in seconds from the beginning.
    """

    def __init__(
        self,
        function: Callable[[Mapping[str, Any]], Result] = lambda _: DONE,
        *,
        shards: int = 1,
        record_bytes: int = USUAL_RECORD_BYTES,
        **settings: Any,
    ) -> None:
        self.clock = Clock(BEGINNING)
        self.stream = Stream(self.clock, shards, retention_seconds=DAY, record_bytes=record_bytes)
        self.events: list[Mapping[str, Any]] = []
        self.called_at: list[float] = []
        self.documents: list[bytes] = []
        self.settled: list[tuple[str, int, float]] = []
        self._function = function
        self.mapping = EventSourceMapping(
            self.clock,
            self.stream,
            MappingSettings(**settings),
            self._invoke,
            lambda _, body: self.documents.append(body),
            lambda *said: self.settled.append(said),
        )

    @property
    def calls(self) -> list[list[str]]:
        return [names(event) for event in self.events]

    def put(self, *entries: Entry, at: float = 0.0) -> None:
        """Puts entries at a time, in seconds from the beginning."""
        self.at(at, lambda: self.stream.put(entries))

    def at(self, seconds: float, call: Callable[[], object]) -> None:
        self.clock.at(BEGINNING + seconds, call)

    def run(self, *, start: float = 0.0, timestamp: float = 0.0, until: float = 30 * DAY) -> None:
        """Starts the mapping and runs until nothing happens any more."""
        self.at(start, lambda: self.mapping.start(BEGINNING + timestamp))
        self.clock.run(BEGINNING + until)
        self.clock.close()

    def failed(self) -> list[Sequence[FailedRecord]]:
        """What was set aside, document by document, as the simulator's own commands read it."""
        return [list(dead_letters.failed_records(body)) for body in self.documents]

    def conditions(self) -> list[tuple[str, int]]:
        """Why, and after how many tries that count."""
        contexts = [msgspec.json.decode(body)["requestContext"] for body in self.documents]
        return [(said["condition"], said["approximateInvokeCount"]) for said in contexts]

    def _invoke(self, event: Mapping[str, Any]) -> Result:
        self.events.append(event)
        self.called_at.append(self.clock.now - BEGINNING)
        return self._function(event)
