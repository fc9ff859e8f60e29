"""One invocation of the function, as the simulation sees it: what it was given, did and met."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from stream_sim.simulation.schedule import RideKind
from stream_sim.simulation.world.clock import Clock

Outcome = Literal["runs", "answered", "raised", "killed", "timed out"]


class Ended(BaseException):
    """The process was killed, or its time ran out: no code of the function's sees it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome: Outcome = outcome


@dataclass(frozen=True)
class Given:
    """A record of the batch: `events` are the ids of the events in it."""

    sequence_number: str
    kind: RideKind
    events: tuple[str, ...]


@dataclass
class Invocation:
    """`taken` are the events whose predictions the stream said that it has, `set_aside` those whose
    rejects S3 said that it has, `causes` the faults that it met.

    `stalled_seconds` is how long faults other than slow PutRecords, which the function bounds by
    itself, kept it waiting.
    """

    clock: Clock
    number: int
    environment: int
    shard_id: str
    records: Sequence[Given]
    deadline: float
    taken: set[str] = field(default_factory=set)
    set_aside: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    causes: list[str] = field(default_factory=list)
    outcome: Outcome = "runs"
    answer: str | None = None
    stalled_seconds: float = 0.0
    puts: int = 0

    @property
    def seconds_left(self) -> float:
        return self.deadline - self.clock.now

    def spend(self, seconds: float) -> None:
        """Time passes. Raises `Ended` where the function's is over before."""
        if seconds < self.seconds_left:
            self.clock.sleep(seconds)
            return
        self.clock.sleep(self.seconds_left)
        raise Ended("timed out")

    def stall(self, cause: str, seconds: float) -> None:
        """Time passes that the function cannot do anything about."""
        self.causes.append(cause)
        self.stalled_seconds += seconds
        self.spend(seconds)

    def done(self, record: Given) -> bool:
        """Whether all in the record is written, for all that the function knows."""
        return all(event in self.taken or event in self.set_aside for event in record.events)

    def first_undone(self) -> str | None:
        """The sequence number that the function has to report, if any."""
        return next((item.sequence_number for item in self.records if not self.done(item)), None)
