"""python -m tests.fuzz: feeds the decoders and readers what nobody would send.

Figures go to standard output; what reached something new, and what is a finding, to out/fuzz/.
"""

import time
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.common import console
from infra.common.console import UserError
from infra.common.paths import OUT
from tests.fuzz import runs as fuzzing
from tests.fuzz.runs import Outcome
from tests.fuzz.targets import TARGETS

_FOLDER: Final = OUT / "fuzz"
_MOST_RUNS: Final = 2**31 - 1
"""What libFuzzer counts to."""

app = console.new_app(__doc__.splitlines()[0])


@app.command()
def fuzz(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TARGET]…", help=f"{', '.join(TARGETS)}; all unless named."),
    ] = None,
    runs: Annotated[
        int,
        typer.Option(
            envvar="RUNS", min=1, max=_MOST_RUNS, help="How many inputs each target is fed."
        ),
    ] = 1_000_000,
) -> None:
    """Feed each target inputs that are made from those that reached something new.

    Example: python -m tests.fuzz --runs 100000 event aggregate
    """
    if unknown := [name for name in targets or () if name not in TARGETS]:
        raise UserError(
            f"there is no target {', '.join(unknown)}: name any of {', '.join(TARGETS)}"
        )
    fuzzing.require_fuzzer()
    outcomes = {name: _fuzzed(name, runs) for name in targets or TARGETS}
    console.out.print(_table(outcomes))
    findings = {name: found for name, (found, _) in outcomes.items() if found.said}
    for name, found in findings.items():
        where = f"the input is {found.kept}" if found.kept else f"{_FOLDER / name / 'log'} says all"
        console.err.print(f"{name}: {where}\n{found.said}", markup=False)
    raise typer.Exit(1 if findings else 0)


def _fuzzed(name: str, runs: int) -> tuple[Outcome, float]:
    """What came of it, and the seconds that it took."""
    columns = (TextColumn(f"{name:9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = time.perf_counter()
    with Progress(*columns, console=console.err) as progress:
        bar = progress.add_task(name, total=runs)
        found = fuzzing.fuzz(
            name, runs, _FOLDER / name, progress=lambda fed: progress.update(bar, completed=fed)
        )
        progress.update(bar, completed=found.inputs)
    return found, time.perf_counter() - began


def _table(outcomes: dict[str, tuple[Outcome, float]]) -> Table:
    table = Table("target", box=None)
    for title in ("inputs", "seconds", "edges", "features", "crashes", "hangs"):
        table.add_column(title, justify="right")
    for name, (found, seconds) in outcomes.items():
        figures = (found.edges, found.features, found.crashes, found.hangs)
        table.add_row(name, f"{found.inputs:,}", f"{seconds:.0f}", *map(str, figures))
    return table


if __name__ == "__main__":
    console.run(app)
