"""Shrink a schedule that violates a property to a smaller one that still violates it."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from stream_sim.simulation.schedule import Schedule

_MOST_RUNS: Final = 400
"""A schedule is shrunk within seconds, and what is left is small enough to read."""


def shrunk(schedule: Schedule, breaks: Callable[[Schedule], bool]) -> Schedule:
    """Remove what is not needed to break it, the largest parts first, until nothing more goes."""
    runs = 0
    candidates = _candidates(schedule)
    while (candidate := next(candidates, None)) is not None and runs < _MOST_RUNS:
        runs += 1
        if breaks(candidate):
            schedule, candidates = candidate, _candidates(candidate)
    return schedule


def _candidates(schedule: Schedule) -> Iterator[Schedule]:
    """Schedules with something removed, or with one shard instead of several."""
    replace = msgspec.structs.replace
    for bursts in _without(schedule.bursts, least=1):
        yield replace(schedule, bursts=bursts)
    for faults in _without(schedule.faults):
        yield replace(schedule, faults=faults)
    for changes in _without(schedule.changes):
        yield replace(schedule, changes=changes)
    for moves in _without(schedule.moves, least=1):
        if moves[-1].damage is None:  # after a damaged one, nothing would ever settle
            yield replace(schedule, moves=moves)
    for at, burst in enumerate(schedule.bursts):
        for kinds in _without(burst.kinds, least=1):
            smaller = (replace(burst, kinds=kinds),)
            yield replace(
                schedule, bursts=schedule.bursts[:at] + smaller + schedule.bursts[at + 1 :]
            )
    if schedule.events_shards > 1:
        yield replace(schedule, events_shards=1)
    if schedule.predictions_shards > 1:
        yield replace(schedule, predictions_shards=1)


def _without[T](items: tuple[T, ...], *, least: int = 0) -> Iterator[tuple[T, ...]]:
    """The items without all, then each half, each quarter and so on, down to single items."""
    size = len(items)
    while size:
        for start in range(0, len(items), size):
            left = items[:start] + items[start + size :]
            if len(left) >= least:
                yield left
        size //= 2
