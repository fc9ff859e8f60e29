"""Warm calls: what a record costs in CPU, side by side, and how evenly batches take their time."""

import contextlib
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.progress import track

from infra.common import console
from tests.benchmarks import measured, published
from tests.benchmarks.measured import NAIVE, Function, NotMeasured, Worker
from tests.benchmarks.report import Figures, Section, spread
from tests.benchmarks.servers import Moto, Stub

ROUNDS: Final = 9
_MOTO_ROUNDS: Final = 5
_TAIL_CALLS: Final = 2_000
_SAME_MINUTES: Final = 1e-6
_COLUMNS: Final = ("function", "batch", "µs a record", "records/s", "ratio")

PLAIN: Final = measured.ours("ours")
KPL: Final = measured.ours("ours, kpl", aggregation="kpl")
TREES: Final = measured.ours("ours, trees compiled", published.TREES)
UNCOMPILED: Final = measured.ours("ours, trees scikit-learn", published.TREES_UNCOMPILED)


class Load(msgspec.Struct, frozen=True, eq=False):
    """A function, the size of its batches, and how many of them it scores in a round."""

    function: Function
    batch: int
    times: int


_NAIVE_1000: Final = Load(NAIVE, 1_000, 1)
_NAIVE_100: Final = Load(NAIVE, 100, 5)
_PLAIN_1000: Final = Load(PLAIN, 1_000, 30)
_PLAIN_100: Final = Load(PLAIN, 100, 150)
_KPL_1000: Final = Load(KPL, 1_000, 30)
_TREES_1000: Final = Load(TREES, 1_000, 20)
_UNCOMPILED_1000: Final = Load(UNCOMPILED, 1_000, 15)
_COMPARED: Final = {
    "warm_ratio_plain_1000": (_PLAIN_1000, _NAIVE_1000),
    "warm_ratio_kpl_1000": (_KPL_1000, _NAIVE_1000),
    "warm_ratio_plain_100": (_PLAIN_100, _NAIVE_100),
    "trees_function_ratio_1000": (_TREES_1000, _UNCOMPILED_1000),
}
"""By the name of the ratio: what is compared with what."""
_LOADS: Final = (
    *(_NAIVE_1000, _PLAIN_1000, _KPL_1000, _NAIVE_100, _PLAIN_100),
    *(_UNCOMPILED_1000, _TREES_1000),
)
"""In the order in which each round takes them, and the table shows them."""

Seconds = Mapping[Load, Sequence[float]]
"""CPU seconds a record, one number for each round."""


def measure(stub: Stub, events: Mapping[int, Path]) -> list[Section]:
    with contextlib.ExitStack() as stack:
        workers = {
            function.name: stack.enter_context(Worker(function, stub, stub.environment))
            for function in (NAIVE, PLAIN, KPL, TREES, UNCOMPILED)
        }
        _require_same(stub, workers, events[100])
        seconds: dict[Load, list[float]] = {load: [] for load in _LOADS}
        for _ in track(range(ROUNDS), "warm calls", console=console.err):
            for load in _LOADS:
                worker = workers[load.function.name]
                taken = worker.measure(events[load.batch], load.times).cpu_seconds
                seconds[load].append(taken / (load.times * load.batch))
        tail = _tail(workers[PLAIN.name], events[100])
    return [_throughput(seconds), tail]


def _throughput(seconds: Seconds) -> Section:
    ratios = {name: _ratios(seconds, *pair) for name, pair in _COMPARED.items()}
    said = {ours: spread(ratios[name]) for name, (ours, _) in _COMPARED.items()}
    figures: Figures = {}
    for name, (ours, theirs) in _COMPARED.items():
        figures |= {
            name: round(statistics.median(ratios[name]), 2),
            f"{name}_low": round(min(ratios[name]), 2),
            f"{name}_high": round(max(ratios[name]), 2),
            f"{name}_our_us": round(statistics.median(seconds[ours]) * 1e6, 3),
            f"{name}_their_us": round(statistics.median(seconds[theirs]) * 1e6, 3),
        }
    return Section(
        "Warm: CPU a record on one core, against the stub",
        _COLUMNS,
        [_row(load.function, load.batch, seconds[load], said.get(load, "")) for load in _LOADS],
        "User and system time of the function's process; it and the server have a core each. "
        f"Medians and ranges of {ROUNDS} interleaved rounds. Ratios are paired, and relative to "
        "the naive function at the same batch size, or to scikit-learn.",
        figures,
    )


def _ratios(seconds: Seconds, ours: Load, theirs: Load) -> list[float]:
    return [their / our for our, their in zip(seconds[ours], seconds[theirs], strict=True)]


def _require_same(stub: Stub, workers: Mapping[str, Worker], event: Path) -> None:
    """Those that serve the same model must say the same of the same ride."""
    minutes = {}
    for name, worker in workers.items():
        worker.measure(event, 3)
        said = msgspec.json.decode(stub.last_prediction(), type=dict[str, msgspec.Raw])
        found = msgspec.json.decode(said["prediction"], type=dict[str, float])
        minutes[name] = found["ride_duration"]
    for one, other in ((NAIVE, PLAIN), (NAIVE, KPL), (TREES, UNCOMPILED)):
        if abs(minutes[one.name] - minutes[other.name]) > _SAME_MINUTES:
            raise NotMeasured(f"{one.name} and {other.name} predict differently: {minutes}")


def _row(function: Function, batch: int, seconds: Sequence[float], ratio: str) -> tuple[str, ...]:
    per_second = f"{1 / statistics.median(seconds):,.0f}"
    return function.name, f"{batch:,}", spread([one * 1e6 for one in seconds]), per_second, ratio


def _tail(worker: Worker, event: Path) -> Section:
    """How much longer the slowest batches take than the usual one."""
    console.err.print(f"tail: {_TAIL_CALLS:,} calls")
    measurement = worker.measure(event, _TAIL_CALLS)
    rows: list[tuple[str, ...]] = []
    figures: Figures = {}
    for clock, seconds in (
        ("wall", measurement.wall_seconds_a_call),
        ("cpu", measurement.cpu_seconds_a_call),
    ):
        percentiles = statistics.quantiles(seconds, n=100)
        p50, p99 = percentiles[49] * 1000, percentiles[98] * 1000
        numbers = (p50, p99, max(seconds) * 1000, p99 / p50)
        rows.append((clock, *(f"{number:.2f}" for number in numbers)))
        figures |= {
            f"batch_100_{clock}_p50_ms": round(p50, 3),
            f"batch_100_{clock}_p99_ms": round(p99, 3),
            f"batch_100_{clock}_p99_to_p50": round(p99 / p50, 2),
        }
    return Section(
        f"Batches of 100: {_TAIL_CALLS:,} calls, one after the other",
        ("clock", "p50 ms", "p99 ms", "worst ms", "p99 / p50"),
        rows,
        "Wall time holds what else the machine does.",
        figures,
    )


def measure_moto(moto: Moto, events: Mapping[int, Path]) -> Section:
    """Wall time: here all wait for a server that costs more than any of them."""
    naive = Load(NAIVE, 100, 1)
    ours = (Load(PLAIN, 1_000, 2), Load(KPL, 1_000, 2), Load(PLAIN, 100, 3), Load(KPL, 100, 3))
    with contextlib.ExitStack() as stack:
        workers = {
            function.name: stack.enter_context(Worker(function, moto, moto.environment))
            for function in (NAIVE, PLAIN, KPL)
        }
        for worker in workers.values():
            worker.measure(events[100])
        seconds: dict[Load, list[float]] = {load: [] for load in (naive, *ours)}
        for _ in track(range(_MOTO_ROUNDS), "warm calls to moto", console=console.err):
            for load, found in seconds.items():
                measurement = workers[load.function.name].measure(events[load.batch], load.times)
                taken = sum(measurement.wall_seconds_a_call)
                found.append(taken / (load.times * load.batch))
    rows = [_row(NAIVE, 100, seconds[naive], "")]
    figures: Figures = {}
    for load in ours:
        ratios = _ratios(seconds, load, naive)
        rows.append(_row(load.function, load.batch, seconds[load], spread(ratios)))
        kind = "kpl" if load.function is KPL else "plain"
        figures[f"moto_wall_ratio_{kind}_{load.batch}"] = round(statistics.median(ratios), 2)
    return Section(
        "Warm: wall time a record, against moto",
        _COLUMNS,
        rows,
        f"moto runs on its own core. Medians and ranges of {_MOTO_ROUNDS} rounds.",
        figures,
    )
