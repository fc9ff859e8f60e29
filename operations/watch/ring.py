"""Ring buffer of counts in the latest time slots, with bounded memory. Pure."""

import numpy as np

from infra.common.latency import Counts


class Ring:
    """Counts of shape `shape` in each of the last `slots` slots of `seconds` seconds."""

    def __init__(self, slots: int, seconds: int, shape: tuple[int, ...] = ()) -> None:
        self.slots = slots
        self.seconds = seconds
        self._counts: Counts = np.zeros((slots, *shape), dtype=np.int64)
        self._numbers = np.full(slots, -1, dtype=np.int64)

    def add(self, at: float, *cell: int) -> None:
        """Increments the cell at `at` seconds since the epoch. Times older than all slots kept are
        ignored."""
        number = int(at // self.seconds)
        place = number % self.slots
        if self._numbers[place] != number:
            if number < self._numbers[place]:
                return
            self._numbers[place] = number
            self._counts[place] = 0
        self._counts[(place, *cell)] += 1

    def last(self, at: float, slots: int) -> Counts:
        """The slot containing `at` and those before it, oldest first, shape (slots, *shape)."""
        newest = int(at // self.seconds)
        numbers = np.arange(newest - slots + 1, newest + 1)
        counts = self._counts[numbers % self.slots]
        counts[self._numbers[numbers % self.slots] != numbers] = 0
        return counts
