"""Cold starts: CPU and memory from the start of a process to its first written prediction."""

import platform
import statistics
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.progress import track

from infra import package
from infra.common import console
from infra.common.paths import FUNCTION_SOURCES
from tests.benchmarks import measured, published
from tests.benchmarks.measured import NAIVE, NAIVE_PICKLE, Function, Measurement, Worker
from tests.benchmarks.report import Figures, Section, spread
from tests.benchmarks.servers import Stub

ROUNDS: Final = 7
_BATCHES: Final = 200
_MB: Final = 1_000_000

Rounds = dict[str, list[Measurement]]
"""By the function's name, one measurement for each round."""


class Site(msgspec.Struct, frozen=True):
    """Where our function is imported from, and the bytes of its package, unless none was built."""

    path: Path
    name: str
    unpacked_bytes: int | None


def unpacked(folder: Path) -> Site:
    """The function's package, as Lambda unpacks it; the checkout where it cannot be built."""
    architecture: package.Architecture = "arm64" if platform.machine() == "aarch64" else "x86_64"
    try:
        built = package.build(package.SCORING, architecture)
    except console.UserError as error:
        console.err.print(f"the function is measured from the checkout: {error}")
        return Site(FUNCTION_SOURCES.parent, "the checkout", None)
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(folder)
    return Site(folder, "its unpacked package", built.unzipped_bytes)


def measure(stub: Stub, site: Site, events: Mapping[int, Path]) -> list[Section]:
    linear = measured.ours("ours, linear", path=site.path)
    trees = measured.ours("ours, gradient boosting", published.TREES, path=site.path)
    functions = (NAIVE, NAIVE_PICKLE, linear, trees)
    for function in functions:
        measured.cold(function, stub, stub.environment, events[1])  # byte code is written now
    plain = _rounds(functions, stub, stub.environment, events[1], "cold starts")
    tls = _rounds((NAIVE, linear), stub, stub.tls_environment, events[1], "cold starts over TLS")
    starts = Section(
        "Cold start: CPU to the first written prediction",
        ("function", "endpoint", "CPU ms", "naive / ours", "peak memory, MB"),
        [*_rows("no TLS", plain, linear), *_rows("TLS", tls, linear)],
        f"Ours runs from {site.name}, the naive one from the development environment, both on the "
        "same interpreter and from compiled bytecode, with the model in the stub's S3. Medians and "
        f"ranges of {ROUNDS} interleaved rounds; peak memory is VmHWM in 10^6 bytes. MLflow stores "
        "scikit-learn models in skops by default.",
        {
            **_figures("cold", plain[NAIVE.name], plain[linear.name]),
            **_figures("cold_tls", tls[NAIVE.name], tls[linear.name]),
            **_figures("cold_pickle", plain[NAIVE_PICKLE.name], plain[linear.name]),
            "cold_trees_cpu_ms": _median_cpu(plain[trees.name]),
            "cold_trees_rss_mb": _peak_mb(plain[trees.name]),
        },
    )
    return [starts, _later(stub, {"linear": linear, "trees": trees}, events[1000]), *_size(site)]


def _rounds(
    functions: Sequence[Function],
    stub: Stub,
    environment: Mapping[str, str],
    event: Path,
    what: str,
) -> Rounds:
    found: Rounds = {function.name: [] for function in functions}
    for _ in track(range(ROUNDS), what, console=console.err):
        for function in functions:
            found[function.name].append(measured.cold(function, stub, environment, event))
    return found


def _rows(endpoint: str, rounds: Rounds, ours: Function) -> list[tuple[str, ...]]:
    return [
        (
            name,
            endpoint,
            _cpu(measurements),
            spread(_ratios(measurements, rounds[ours.name])) if name.startswith("naive") else "",
            _memory(measurements),
        )
        for name, measurements in rounds.items()
    ]


def _ratios(naive: list[Measurement], our: list[Measurement]) -> list[float]:
    return [
        one.cpu_seconds_since_start / other.cpu_seconds_since_start
        for one, other in zip(naive, our, strict=True)
    ]


def _figures(prefix: str, naive: list[Measurement], our: list[Measurement]) -> Figures:
    ratios = _ratios(naive, our)
    return {
        f"{prefix}_cpu_ratio": round(statistics.median(ratios), 2),
        f"{prefix}_cpu_ratio_low": round(min(ratios), 2),
        f"{prefix}_cpu_ratio_high": round(max(ratios), 2),
        f"{prefix}_cpu_ms": _median_cpu(our),
        f"{prefix}_cpu_ms_naive": _median_cpu(naive),
        f"{prefix}_rss_mb": _peak_mb(our),
        f"{prefix}_rss_mb_naive": _peak_mb(naive),
    }


def _cpu(measurements: list[Measurement]) -> str:
    return spread([item.cpu_seconds_since_start * 1000 for item in measurements])


def _median_cpu(measurements: list[Measurement]) -> float:
    return round(statistics.median(item.cpu_seconds_since_start for item in measurements) * 1000, 1)


def _memory(measurements: list[Measurement]) -> str:
    return f"{_peak_mb(measurements):.0f}"


def _peak_mb(measurements: list[Measurement]) -> float:
    return round(max(item.peak_bytes for item in measurements) / _MB, 1)


def _later(stub: Stub, functions: Mapping[str, Function], event: Path) -> Section:
    """Memory once the function has been warm for a while."""
    rows, figures = [], {}
    for model, function in track(functions.items(), "memory", console=console.err):
        with Worker(function, stub, stub.environment) as worker:
            peak_mb = _peak_mb([worker.measure(event, _BATCHES)])
        rows.append((function.name, f"{peak_mb:.0f}"))
        figures[f"warm_rss_mb_{model}"] = peak_mb
    return Section(
        f"Peak memory after {_BATCHES} batches of 1,000",
        ("function", "peak memory, MB"),
        rows,
        figures=figures,
    )


def _size(site: Site) -> list[Section]:
    if site.unpacked_bytes is None:
        return []
    unpacked_mb = round(site.unpacked_bytes / _MB, 1)
    return [
        Section(
            "Package",
            ("what", "MB"),
            [("unpacked", f"{unpacked_mb:.0f}")],
            figures={"zip_unpacked_mb": unpacked_mb},
        )
    ]
