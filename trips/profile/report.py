"""Formats similarity measures as a terminal table, 80 columns wide."""

from collections.abc import Sequence

from rich.table import Table

from trips.profile.likeness import MOST_TIMES, Measure


def table(measures: Sequence[Measure]) -> Table:
    """Distances from a month to drawn rides and to its neighbour, and whether the goal is met."""
    found = Table(box=None, header_style="bold")
    found.add_column("distance between", no_wrap=True)
    for title in ("drawn, month", "month, neighbour", "times", f"goal: {MOST_TIMES:g}"):
        found.add_column(title, justify="right", no_wrap=True)
    for measure in measures:
        numbers = f"{measure.drawn:.4f}", f"{measure.neighbour:.4f}", f"{measure.times:.2f}"
        found.add_row(measure.name, *numbers, "kept" if measure.kept else "missed")
    return found
