"""Counts at times in, the counts of the last slots of time out: memory that does not grow. Pure."""

import numpy as np

from infra.common.latency import Counts


class Ring:
    """Counts of `shape` for each of the last `slots` slots of `seconds`."""

    def __init__(self, slots: int, seconds: int, shape: tuple[int, ...] = ()) -> None:
        self.slots = slots
        self.seconds = seconds
        self._counts: Counts = np.zeros((slots, *shape), dtype=np.int64)
        self._numbers = np.full(slots, -1, dtype=np.int64)

    def add(self, at: float, *cell: int) -> None:
        """One more in the cell, `at` seconds since the epoch. What is older than all slots that
        are kept is passed over."""
        number = int(at // self.seconds)
        place = number % self.slots
        if self._numbers[place] != number:
            if number < self._numbers[place]:
                return
            self._numbers[place] = number
            self._counts[place] = 0
        self._counts[(place, *cell)] += 1

    def last(self, at: float, slots: int) -> Counts:
        """The slot that `at` lies in and those before it, oldest first, shape (slots, *shape)."""
        newest = int(at // self.seconds)
        numbers = np.arange(newest - slots + 1, newest + 1)
        counts = self._counts[numbers % self.slots]
        counts[self._numbers[numbers % self.slots] != numbers] = 0
        return counts
