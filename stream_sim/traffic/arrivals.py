"""Arrival times for a rate and its shapes: generated in blocks without end, in constant memory,
until a count or duration is reached."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_sim.traffic import shapes
from stream_sim.traffic.shapes import Poisson, Shape

_SPAN_SECONDS: Final = 1.0
_GRID_SECONDS: Final = 0.001
"""The rate is constant for this long: the edges of a burst are off by no more."""
_GRID: Final = np.linspace(0.0, _SPAN_SECONDS, round(_SPAN_SECONDS / _GRID_SECONDS) + 1)
_MOST_IN_BLOCK: Final = 5_000

Times = NDArray[np.float64]
"""Seconds since the run began, ascending, shape (n,)."""


class Arrivals(msgspec.Struct, frozen=True):
    """`rate` rides a second times the product of the shapes, for one part of a run.

    A ride arrives whenever the integral of the rate passes the next integer plus `phase`, 0 to 1:
    with phases spread evenly, the arrivals of all parts together are even, too. With the shape
    `poisson` the thresholds are random instead, 1 apart on average. Each part's clock starts with
    its process: combined arrivals are only as even as the processes' starts are simultaneous.
    """

    rate: float
    shapes: Sequence[Shape]
    rides_by_hour: NDArray[np.float64]
    phase: float = 0.5

    def blocks(self, rng: np.random.Generator) -> Iterator[Times]:
        """Endless blocks of times; none is empty."""
        marks = self._marks(rng)
        ahead = next(marks)
        passed = 0.0
        for span in itertools.count():
            seconds = span * _SPAN_SECONDS + _GRID
            integral = passed + self._integral(seconds)
            passed = float(integral[-1])
            while here := int(np.searchsorted(ahead, passed)):
                yield np.interp(ahead[:here], integral, seconds)
                ahead = ahead[here:] if here < len(ahead) else next(marks)

    def _marks(self, rng: np.random.Generator) -> Iterator[Times]:
        """The values of the rate's integral at which rides arrive, block by block."""
        random_gaps = any(isinstance(shape, Poisson) for shape in self.shapes)
        last = 0.0
        for first in itertools.count(step=_MOST_IN_BLOCK):
            if random_gaps:
                marks = last + np.cumsum(rng.exponential(size=_MOST_IN_BLOCK))
                last = float(marks[-1])
            else:
                marks = np.arange(first, first + _MOST_IN_BLOCK, dtype=np.float64) + self.phase
            yield marks

    def _integral(self, seconds: Times) -> Times:
        """The integral of the rate, from the first of `seconds` to each of them."""
        middles = (seconds[:-1] + seconds[1:]) / 2
        rates = self.rate * shapes.factor(self.shapes, middles, self.rides_by_hour)
        return np.concatenate([[0.0], np.cumsum(rates * _GRID_SECONDS)])


def in_blocks(times: Times) -> Iterator[Times]:
    """Known times, in blocks."""
    for first in range(0, len(times), _MOST_IN_BLOCK):
        yield times[first : first + _MOST_IN_BLOCK]


def until(
    blocks: Iterable[Times], count: int | None = None, seconds: float | None = None
) -> Iterator[Times]:
    """The times in `blocks`: at most `count`, and all before `seconds`."""
    left = count
    for block in blocks:
        end = len(block) if seconds is None else int(np.searchsorted(block, seconds))
        taken = block[: end if left is None else min(end, left)]
        if len(taken):
            yield taken
        left = None if left is None else left - len(taken)
        if len(taken) < len(block) or left == 0:
            return
