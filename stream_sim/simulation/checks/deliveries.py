"""Which records were delivered to the function when, and whether redelivery was due."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from stream_sim.simulation.broken import Note
from stream_sim.simulation.world.lambda_service import Answered, Result

PART: Final = "#"
"""Separates a record's id from the index of a user record in it, where all share the id."""


@dataclass
class Delivery:
    """One batch, delivered after the mapping had restarted `generation` times."""

    number: int
    generation: int
    result: Result | None = None
    cut_off: bool = False
    """The mapping restarted meanwhile, so nobody received the answer."""

    def settles(self, sequence_number: int) -> bool:
        """Whether the mapping was told that the record is done."""
        if self.cut_off or not isinstance(self.result, Answered):
            return False
        failures = (self.result.payload or {}).get("batchItemFailures") or []
        reported = [failure["itemIdentifier"] for failure in failures]
        if not all(map(str.isdecimal, reported)):  # the whole batch failed
            return False
        return not reported or sequence_number < min(map(int, reported))


class Deliveries:
    """Notes records that are redelivered or discarded although they were done."""

    def __init__(self, note: Note, named: Callable[[Mapping[str, Any]], str]) -> None:
        """`named` returns the name of a record of an event."""
        self._note = note
        self._named = named
        self._last: dict[str, Delivery] = {}
        self._count = 0

    def begin(self, event: Mapping[str, Any], generation: int) -> Delivery:
        """A batch is delivered to the function."""
        self._count += 1
        delivery = Delivery(self._count, generation)
        for record_id in map(self._named, event["Records"]):
            last = self._last.get(record_id)
            if last is not None and not self._due(last, record_id, generation):
                self._note("delivered again", f"{record_id}, for the {self._count}th time of all")
            self._last[record_id] = delivery
        return delivery

    def done(self, record_id: str) -> bool:
        """Whether the latest delivery told the mapping that the record is done."""
        last = self._last.get(record_id)
        return last is not None and last.settles(_number(record_id))

    def _due(self, last: Delivery, record_id: str, generation: int) -> bool:
        if last.result is None:  # nobody waits for the answer any more
            return last.generation != generation
        return not last.settles(_number(record_id))


def _number(record_id: str) -> int:
    return int(record_id.partition(":")[2].partition(PART)[0])
