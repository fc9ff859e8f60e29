"""What the function is to reach, beside what it reached in this run."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from tests.benchmarks.report import Section


class Goal(msgspec.Struct, frozen=True):
    """A figure of summary.json, and the bound that it is to keep."""

    what: str
    figure: str
    kind: Literal["at least", "under"]
    bound: float
    unit: str = ""


GOALS: Final = (
    Goal("cold start, CPU, naive / ours, no TLS", "cold_cpu_ratio", "at least", 10),
    Goal("cold start, CPU, naive / ours, TLS", "cold_tls_cpu_ratio", "at least", 10),
    Goal("peak memory at the first prediction", "cold_rss_mb", "under", 100, " MB"),
    Goal("peak memory after 200 batches of 1,000", "warm_rss_mb_linear", "under", 100, " MB"),
    Goal("the same, gradient boosting", "warm_rss_mb_trees", "under", 100, " MB"),
    Goal("records/s, batches of 1,000, ours / naive", "warm_ratio_plain_1000", "at least", 200),
    Goal("the same, OUTPUT_AGGREGATION=kpl", "warm_ratio_kpl_1000", "at least", 250),
    Goal("records/s, batches of 100, ours / naive", "warm_ratio_plain_100", "at least", 90),
    Goal(
        "gradient boosting, 1,000 rides, scikit-learn's predict / compiled",
        "trees_ratio_onnx_1000",
        "at least",
        3,
    ),
    Goal("batch of 100, wall time, p99 / p50", "batch_100_wall_p99_to_p50", "under", 3),
    Goal("batch of 100, CPU time, p99 / p50", "batch_100_cpu_p99_to_p50", "under", 3),
    Goal("rides sent a second of CPU, plain", "sending_plain_rides_per_second", "at least", 20_000),
    Goal(
        "rides sent a second of CPU, aggregated",
        "sending_aggregated_rides_per_second",
        "at least",
        100_000,
    ),
    Goal("peak memory of verify, 20 million rides", "verify_peak_mb", "under", 100, " MB"),
    Goal("the same, as a multiple of 1 million's", "verify_peak_ratio", "under", 1.5),
    Goal("package, unpacked", "zip_unpacked_mb", "under", 200, " MB"),
)


def reached(sections: Sequence[Section]) -> Section:
    figures = {name: value for section in sections for name, value in section.figures.items()}
    return Section(
        "Goals",
        ("what", "goal", "measured", "reached"),
        [_row(goal, figures.get(goal.figure)) for goal in GOALS],
    )


def _row(goal: Goal, figure: float | None) -> tuple[str, ...]:
    bound = f"{goal.kind} {goal.bound:g}{goal.unit}"
    if figure is None:
        return goal.what, bound, "not measured", ""
    kept = figure >= goal.bound if goal.kind == "at least" else figure < goal.bound
    return goal.what, bound, f"{figure:,.1f}{goal.unit}", "yes" if kept else "no"
