"""Where our function's microseconds go, step by step, and what is left for anyone to save."""

import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
from rich.progress import track

from infra.common import console
from infra.common.paths import ROOT
from tests.benchmarks import cores
from tests.benchmarks.measured import Function, NotMeasured, environment_of
from tests.benchmarks.report import Section, spread
from tests.benchmarks.servers import Stub
from tests.benchmarks.steps import Split
from tests.benchmarks.warm import KPL, PLAIN, TREES, UNCOMPILED

_ROUNDS: Final = 3
_FUNCTIONS: Final = (PLAIN, KPL, TREES, UNCOMPILED)


def measure(stub: Stub, event: Path, folder: Path) -> list[Section]:
    """For batches of the event's size."""
    found: dict[str, list[Split]] = {function.name: [] for function in _FUNCTIONS}
    for _ in track(range(_ROUNDS), "step by step", console=console.err):
        for function in _FUNCTIONS:
            found[function.name].append(_split(function, stub, event, folder / "split.json"))
    plain, kpl, trees, uncompiled = found.values()
    return [_steps(plain, kpl, trees), _floor(plain), _predict(trees, uncompiled)]


def _split(function: Function, stub: Stub, event: Path, answer: Path) -> Split:
    with cores.on(cores.FUNCTION):
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.steps", event, answer],
            cwd=ROOT,
            env={**environment_of(function), **stub.environment},
            stdout=subprocess.DEVNULL,  # the function's log
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise NotMeasured(f"{function.name}, step by step: {done.stderr[-2000:]}")
    return msgspec.json.decode(answer.read_bytes(), type=Split)


def _steps(*functions: list[Split]) -> Section:
    names = list(dict.fromkeys(name for splits in functions for name in splits[0].steps))
    wholes = [statistics.median(split.whole for split in splits) for splits in functions]
    columns = [{name: _median(splits, name) for name in names} for splits in functions]
    for whole, column in zip(wholes, columns, strict=True):
        column["loops, log and metrics"] = whole - sum(column.values())
        column["whole"] = whole
    rows = [
        (name, *(f"{column[name]:.2f}" if column[name] else "" for column in columns))
        for name in columns[0]
    ]
    return Section(
        "Where a record's microseconds go, batches of 1,000",
        ("step", "linear", "linear, kpl", "gradient boosting"),
        rows,
        "Medians of CPU time; what the steps do not account for is the difference from the whole.",
        {f"step_us_{name.replace(' ', '_')}": round(us, 3) for name, us in columns[0].items()},
    )


def _median(splits: list[Split], name: str) -> float:
    return statistics.median(split.steps.get(name, 0.0) for split in splits)


def _floor(splits: list[Split]) -> Section:
    floor = {
        name: statistics.median(split.floor[name] for split in splits) for name in splits[0].floor
    }
    total = sum(floor.values())
    return Section(
        "The floor: what C code alone takes for the same bytes",
        ("step", "µs a record"),
        [*((name, f"{us:.2f}") for name, us in floor.items()), ("whole", f"{total:.2f}")],
        "One call to a C function per record or request, as the function has to make it.",
        {"floor_us": round(total, 3)},
    )


def _predict(compiled: list[Split], uncompiled: list[Split]) -> Section:
    ours = [split.steps["predict"] for split in compiled]
    theirs = [split.steps["predict"] for split in uncompiled]
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    return Section(
        "Gradient boosting: predict for 1,000 rides, inside the function",
        ("model", "µs a ride", "ratio"),
        [
            ("scikit-learn", spread(theirs), ""),
            ("compiled", spread(ours), spread(ratios)),
        ],
        figures={
            "trees_ratio_onnx_1000": round(statistics.median(ratios), 2),
            "trees_predict_us_compiled": round(statistics.median(ours), 3),
            "trees_predict_us_sklearn": round(statistics.median(theirs), 3),
        },
    )
