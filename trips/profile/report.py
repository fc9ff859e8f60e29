"""Measures of likeness in, a table for the terminal out: 80 columns wide."""

from collections.abc import Sequence

from rich.table import Table

from trips.profile.likeness import MOST_TIMES, Measure


def table(measures: Sequence[Measure]) -> Table:
    """How far drawn rides are from a month, how far its neighbour is, and whether it is near."""
    found = Table(box=None, header_style="bold")
    found.add_column("distance between", no_wrap=True)
    for title in ("drawn, month", "month, neighbour", "times", f"goal: {MOST_TIMES:g}"):
        found.add_column(title, justify="right", no_wrap=True)
    for measure in measures:
        numbers = f"{measure.drawn:.4f}", f"{measure.neighbour:.4f}", f"{measure.times:.2f}"
        found.add_row(measure.name, *numbers, "kept" if measure.kept else "missed")
    return found
