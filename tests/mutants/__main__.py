"""python -m tests.mutants: breaks the function in every way of the catalogue, one after the other.

Each mutant meets the histories of the seeds 1, 2, 3 … until one notices it. The table goes to
standard output, and the seeds to seeds.json, which the tests begin with.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import typer
from rich.progress import Progress
from rich.table import Table

from infra.common import console
from infra.common.console import UserError
from tests.mutants import runner, seeds
from tests.mutants.catalogue import MUTANTS
from tests.mutants.histories import Caught
from tests.mutants.mutant import Mutant


def main() -> None:
    """Break the function in every way of the catalogue, and see which history notices it."""
    found = _searched()
    seeds.write({mutant.name: caught.seed for mutant, caught in found if caught.seed})
    console.out.print(_table(found))
    if missed := [mutant.name for mutant, caught in found if not _as_told(mutant, caught)]:
        raise UserError(
            f"{len(missed)} of {len(found)} mutants had another outcome than the catalogue "
            f"says: {'; '.join(missed)}"
        )


def _searched() -> list[tuple[Mutant, Caught]]:
    with (
        Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as shown,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        caught = pool.map(runner.search, MUTANTS)
        return list(
            shown.track(zip(MUTANTS, caught, strict=True), len(MUTANTS), description="mutants")
        )


def _as_told(mutant: Mutant, caught: Caught) -> bool:
    return not set(caught.properties).isdisjoint(mutant.caught_by)


def _table(found: list[tuple[Mutant, Caught]]) -> Table:
    table = Table("what is broken", "caught by", box=None)
    table.add_column("histories", justify="right")
    for mutant, caught in found:
        noticed = ", ".join(caught.properties) or "nothing"
        table.add_row(mutant.name, noticed, f"{caught.histories:,}")
    return table


if __name__ == "__main__":
    console.run(lambda: typer.run(main))
