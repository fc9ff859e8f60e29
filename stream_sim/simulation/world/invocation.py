"""One invocation of the function as the simulation sees it: its input, writes and faults."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from stream_sim.simulation.schedule import RideKind
from stream_sim.simulation.world.clock import Clock

Outcome = Literal["runs", "answered", "raised", "killed", "timed out"]


class Ended(BaseException):
    """The process was killed or timed out: none of the function's code sees it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome: Outcome = outcome


@dataclass(frozen=True)
class Given:
    """A record of the batch; `events` holds the ids of the events in it."""

    sequence_number: str
    kind: RideKind
    events: tuple[str, ...]


@dataclass
class Invocation:
    """`taken`: events whose predictions the stream acknowledged. `set_aside`: events whose rejects
    S3 acknowledged. `causes`: the faults it met.

    `stalled_seconds`: time lost to faults other than slow PutRecords, which the function bounds
    itself.
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
        """Let time pass. Raises `Ended` if the function times out first."""
        if seconds < self.seconds_left:
            self.clock.sleep(seconds)
            return
        self.clock.sleep(self.seconds_left)
        raise Ended("timed out")

    def stall(self, cause: str, seconds: float) -> None:
        """Let time pass in a way the function can do nothing about."""
        self.causes.append(cause)
        self.stalled_seconds += seconds
        self.spend(seconds)

    def done(self, record: Given) -> bool:
        """Whether everything in the record is written, as far as the function knows."""
        return all(event in self.taken or event in self.set_aside for event in record.events)

    def first_undone(self) -> str | None:
        """The sequence number the function must report, if any."""
        return next((item.sequence_number for item in self.records if not self.done(item)), None)
