"""Run many histories, or one step by step: `simulate` and `replay-seed`."""

import contextlib
import gc
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import batched, islice
from pathlib import Path
from typing import Final

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from infra.common import console
from infra.common.console import UserError
from infra.common.paths import OUT
from ride_scoring.errors import UNREADABLE
from stream_sim.simulation.checks import history
from stream_sim.simulation.checks.draw import draw
from stream_sim.simulation.checks.history import Outcome
from stream_sim.simulation.checks.shrink import shrunk
from stream_sim.simulation.schedule import Schedule

_FOLDER: Final = OUT / "simulation"
_CHUNK: Final = 10
"""Histories a process runs before it reports."""
_AHEAD: Final = 4
"""Chunks queued per process, at most."""
_SHOWN: Final = 20
"""How many violations of one history are shown."""
_COUNTS: Final = (
    *("records", "events", "predicted", "rejected", "failed", "dropped", "repeats"),
    *("invocations", "cut_short"),
)


def simulate(first_seed: int, histories: int, processes: int | None) -> None:
    """Run that many histories, from the first seed on. Raises `UserError` if one violates a
    property, after shrinking and showing it."""
    counts = dict.fromkeys(_COUNTS, 0)
    properties, seeds = 0, []
    for seed, outcome in _outcomes(range(first_seed, first_seed + histories), processes):
        for name in _COUNTS:
            counts[name] += getattr(outcome, name)
        properties += len(names := {broken.name for broken in outcome.broken})
        if names:
            seeds.append(seed)
            console.err.print(f"seed {seed}: {', '.join(sorted(names))}")
    if seeds:
        _cut_down(min(seeds))
    console.out.print(_table(counts))
    console.out.print(
        f"{histories:,} histories, {counts['records']:,} records, {properties:,} properties broken"
        + (f", by the seeds {', '.join(map(str, sorted(seeds)))}" if seeds else "")
    )
    if seeds:
        raise UserError(
            f"{len(seeds):,} of {histories:,} histories broke a property: "
            f"python -m stream_sim replay-seed {min(seeds)}"
        )


def replay(seed: int, file: Path | None) -> None:
    """Run one history step by step. Raises `UserError` if it violates a property."""
    schedule = draw(seed) if file is None else _read(file)
    console.out.print(_pretty(schedule), markup=False)
    outcome = _told(schedule)
    for name in _COUNTS:
        console.out.print(f"{name.replace('_', ' ')}: {getattr(outcome, name):,}")
    for broken in outcome.broken[:_SHOWN]:
        console.out.print(f"broken: {broken.name}: {broken.what}", markup=False)
    if outcome.broken:
        raise UserError(
            f"the history broke {len(outcome.broken):,} times a property that must hold"
        )


def _outcomes(seeds: range, processes: int | None) -> Iterator[tuple[int, Outcome]]:
    processes = min(processes or os.cpu_count() or 1, len(seeds))
    with _progress() as progress, _pool(processes) as pool:
        task = progress.add_task("histories", total=len(seeds))
        submitted = (pool.submit(_run, chunk) for chunk in batched(seeds, _CHUNK, strict=False))
        running = set(islice(submitted, _AHEAD * processes))
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            running.update(islice(submitted, len(ended)))
            for outcomes in (future.result() for future in ended):
                yield from outcomes
                progress.advance(task, len(outcomes))


@contextlib.contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Raises `UserError` if one of the processes is killed."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _prepare)
    try:
        yield pool
    except BrokenProcessPool:
        raise UserError("a worker process was killed: is there enough memory?") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _run(seeds: tuple[int, ...]) -> list[tuple[int, Outcome]]:
    outcomes = [(seed, history.run(draw(seed))) for seed in seeds]
    gc.collect()
    return outcomes


def _prepare() -> None:
    """Ctrl-C also reaches the parent, which ends us. Garbage is collected after each chunk:
    collecting during a history costs a tenth of the time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()


def _cut_down(seed: int) -> None:
    """Shrink a history to what still violates the same property; show it and save it."""
    name = history.run(schedule := draw(seed)).broken[0].name
    console.err.print(f"seed {seed} is cut down to what breaks it")
    least = shrunk(
        schedule, lambda other: any(broken.name == name for broken in history.run(other).broken)
    )
    _FOLDER.mkdir(parents=True, exist_ok=True)
    file = _FOLDER / f"{seed}.json"
    file.write_bytes(_encoded(least))
    console.out.print(_pretty(least), markup=False)
    for broken in _told(least).broken[:_SHOWN]:
        console.out.print(f"broken: {broken.name}: {broken.what}", markup=False)
    named = console.seen_from_here(file)
    console.out.print(f"python -m stream_sim replay-seed {seed} --schedule {named}")


def _read(file: Path) -> Schedule:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Schedule)
    except OSError as error:
        raise UserError(
            f"{file} cannot be read ({error.strerror}): name a schedule that `simulate` wrote"
        ) from error
    except UNREADABLE as error:
        raise UserError(
            f"{file} is not a schedule ({error}): name one that `simulate` wrote"
        ) from error


def _encoded(schedule: Schedule) -> bytes:
    return msgspec.json.format(msgspec.json.encode(schedule), indent=2) + b"\n"


def _pretty(schedule: Schedule) -> str:
    return _encoded(schedule).decode()


def _told(schedule: Schedule) -> Outcome:
    """Run a history, and print its steps after it ends: a failing print must not affect it."""
    steps: list[str] = []
    outcome = history.run(
        schedule, lambda seconds, what: steps.append(f"{seconds:10.3f} s  {what}")
    )
    console.out.print("\n".join(steps), markup=False)
    return outcome


def _table(counts: dict[str, int]) -> Table:
    table = Table(title="What became of the records", show_header=False, title_justify="left")
    for name, count in counts.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    return table


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console.err,
        transient=True,
        disable=not console.err.is_terminal,
    )
