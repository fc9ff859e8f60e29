"""A line of progress and a time for each step of a long run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from infra.common.console import err

_WIDTH: Final = 66


class Step:
    """One step; what it found out may be added to its line."""

    def __init__(self, title: str) -> None:
        self.line = title


class Steps:
    """The steps of one run, and the seconds that each took, by its short name."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Quiet, nothing is printed: another process shows what goes on."""
        self._quiet = quiet
        self.seconds: dict[str, float] = {}
        self._started = time.monotonic()

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Step]:
        """Times what happens inside, and prints its line when it is done."""
        step, started = Step(title), time.monotonic()
        if err.is_terminal and not self._quiet:
            err.print(f"  … {title}", end="\r")
        try:
            yield step
        except BaseException:
            if not self._quiet:
                err.print(f"  [red]✗[/red] {title}")
            raise
        seconds = time.monotonic() - started
        self.seconds[name] = round(self.seconds.get(name, 0.0) + seconds, 1)
        if not self._quiet:
            err.print(f"  [green]✓[/green] {step.line:<{_WIDTH}} {seconds:6.1f} s")

    def total(self) -> float:
        return round(time.monotonic() - self._started, 1)
