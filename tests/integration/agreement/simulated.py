"""A schedule in, its course in the simulation out."""

from collections.abc import Mapping
from typing import Any, Final

from stream_sim.simulation.mapping.mapping import EventSourceMapping
from stream_sim.simulation.schedule import MappingSettings, Reading
from stream_sim.simulation.world.clock import Clock
from stream_sim.simulation.world.lambda_service import Answered, Failed, Result
from stream_sim.simulation.world.stream import Stream
from tests.integration.agreement.course import Course
from tests.integration.agreement.emulated import Ran
from tests.integration.agreement.schedules import Schedule
from tests.integration.agreement.scripted import INSTEAD, Call, planned

_BEGINNING: Final = 1_673_703_060.0
_DAY_SECONDS: Final = 86_400.0
"""Nothing expires, and what has not settled by then never will."""


def run(schedule: Schedule, ran: Ran) -> Course:
    """What the simulated mapping does with the records that the other one was given."""
    clock = Clock(_BEGINNING)
    stream = Stream(
        clock,
        schedule.shards,
        retention_seconds=2 * _DAY_SECONDS,
        own_numbers=True,
        numbers_apart=1,  # as LocalStack counts
    )
    function = _Function()
    documents: list[bytes] = []
    mapping = EventSourceMapping(
        clock,
        stream,
        _settings(schedule),
        function.invoke,
        lambda _key, body: documents.append(body),
    )
    for entry in ran.before:
        stream.put([entry])
    mapping.start(at_timestamp=0.0)
    for entries in (ran.after, ran.ends):
        for entry in entries:
            stream.put([entry])
        clock.run(until=_BEGINNING + _DAY_SECONDS)
    clock.close()
    return Course(function.calls, documents)


class _Function:
    def __init__(self) -> None:
        self.calls: list[Call] = []

    def invoke(self, event: Mapping[str, Any]) -> Result:
        self.calls.append(call := planned(event, self.calls))
        if call.does in INSTEAD:
            return Failed(call.does)
        return Answered(call.answer)


def _settings(schedule: Schedule) -> MappingSettings:
    """LocalStack halves no batch, and counts every retry."""
    return MappingSettings(
        batch_size=schedule.batch_size,
        bisect=False,
        reports=schedule.reports,
        retry_attempts=schedule.retry_attempts,
        starting_position=schedule.position,
        reading=Reading(progress_is_retried=True),
    )
