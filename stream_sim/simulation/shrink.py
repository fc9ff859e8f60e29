"""A schedule that breaks a property in, a smaller one that still breaks it out."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from stream_sim.simulation.schedule import Burst, Schedule

_MOST_RUNS: Final = 400
"""A schedule is cut down in seconds, and what is left is small enough to read."""


def shrunk(schedule: Schedule, breaks: Callable[[Schedule], bool]) -> Schedule:
    """Takes away what is not needed for it, and halves what is left, until nothing more goes."""
    runs = 0
    smaller = True
    while smaller:
        smaller = False
        for candidate in _candidates(schedule):
            runs += 1
            if runs > _MOST_RUNS:
                return schedule
            if breaks(candidate):
                schedule, smaller = candidate, True
                break
    return schedule


def _candidates(schedule: Schedule) -> Iterator[Schedule]:
    """Schedules that lack something, those that lack most first."""
    for name in ("bursts", "faults", "changes", "moves"):
        for without in _without(getattr(schedule, name)):
            yield msgspec.structs.replace(schedule, **{name: without})
    for at, burst in enumerate(schedule.bursts):
        for kinds in _without(burst.kinds):
            bursts = (
                *schedule.bursts[:at],
                Burst(burst.at, burst.seed, kinds),
                *schedule.bursts[at + 1 :],
            )
            yield msgspec.structs.replace(schedule, bursts=bursts)
    for name in ("events_shards", "predictions_shards"):
        if getattr(schedule, name) > 1:
            yield msgspec.structs.replace(schedule, **{name: 1})


def _without[T](items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """The items without one half, one quarter and so on of them, and without each; never none of
    what there was one of, as a history without rides or models says nothing.
    """
    size = len(items) // 2
    while size:
        for start in range(0, len(items), size):
            yield items[:start] + items[start + size :]
        size //= 2
