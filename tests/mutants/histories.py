"""python -m tests.mutants.histories PACKAGE SEED…: runs histories until one breaks a property.

For a process of its own, whose PYTHONPATH names the copy of the function that it is to run.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

import ride_scoring
from stream_sim.simulation.checks import history
from stream_sim.simulation.checks.draw import draw
from stream_sim.simulation.checks.history import Outcome
from stream_sim.simulation.world.clock import OutOfTime

_MOST_STEPS: Final = 10_000
"""Three times as many as the longest of a thousand histories has. What goes on is without end."""


class Caught(msgspec.Struct, frozen=True):
    """What came of some histories: the seed that broke properties, or None, and which they are."""

    histories: int
    seed: int | None = None
    properties: tuple[str, ...] = ()


def run(seeds: Sequence[int]) -> Caught:
    """Runs the histories of the seeds, in order, until one breaks a property."""
    for count, seed in enumerate(seeds, start=1):
        if broken := _outcome(seed).broken:
            names = tuple(sorted({item.name for item in broken}))
            return Caught(count, seed, names)
    return Caught(len(seeds))


def _outcome(seed: int) -> Outcome:
    steps = 0

    def count(_seconds: float, _what: str) -> None:
        nonlocal steps
        steps += 1
        if steps > _MOST_STEPS:
            raise OutOfTime

    return history.run(draw(seed), count)


def _main(package: str, *seeds: str) -> None:
    if not Path(ride_scoring.__file__).is_relative_to(package):
        raise SystemExit(f"{ride_scoring.__file__} is not the function in {package}")
    print(msgspec.json.encode(run([int(seed) for seed in seeds])).decode())  # noqa: T201


if __name__ == "__main__":
    _main(*sys.argv[1:])
