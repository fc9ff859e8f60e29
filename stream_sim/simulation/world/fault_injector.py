"""Fault injection: whether a scheduled fault strikes now."""

import random
from collections import defaultdict
from collections.abc import Sequence

from stream_sim.simulation.schedule import Fault, FaultKind
from stream_sim.simulation.world.clock import Clock


class FaultInjector:
    """Injects the scheduled faults at the clock's time. Each fault has its own RNG, so removing one
    from a schedule leaves the others unchanged."""

    def __init__(self, clock: Clock, faults: Sequence[Fault]) -> None:
        self._clock = clock
        self._begun = clock.now
        self._faults: dict[FaultKind, list[tuple[Fault, random.Random]]] = defaultdict(list)
        for fault in faults:
            rng = random.Random(fault.seed)
            self._faults[fault.kind].append((fault, rng))

    def strikes(self, kind: FaultKind) -> random.Random | None:
        """The RNG to draw the fault's extent from, if a fault of that kind strikes."""
        elapsed = self._clock.now - self._begun
        for fault, rng in self._faults.get(kind, ()):
            if fault.at <= elapsed < fault.at + fault.seconds and rng.random() < fault.share:
                return rng
        return None
