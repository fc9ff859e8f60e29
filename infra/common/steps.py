"""Prints a progress line and the time of each step of a long run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from infra.common.console import err

_WIDTH: Final = 66


class Step:
    """One step; its result may be appended to its line."""

    def __init__(self, title: str) -> None:
        self.line = title


class Steps:
    """The steps of one run, and the seconds that each took, by short name."""

    def __init__(self, *, quiet: bool = False) -> None:
        """If quiet, nothing is printed: another process shows the progress."""
        self._quiet = quiet
        self.seconds: dict[str, float] = {}
        self._started = time.monotonic()

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Step]:
        """Times its body, and prints its line when done."""
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
