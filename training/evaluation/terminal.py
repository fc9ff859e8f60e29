"""Tables of an evaluation for the terminal."""

from rich.table import Table

from training.evaluation.bootstrap import MIN_RIDES
from training.evaluation.evaluation import Evaluation
from training.evaluation.interval import Interval
from training.evaluation.metrics import Metrics

_COLUMNS = ("rides", "RMSE", "95 %", "MAE", "bias", "p90", "within 5")


def table(title: str, evaluation: Evaluation) -> Table:
    """All rides in the first row, then each slice with enough rides; in minutes."""
    shown = Table(title=f"{title} on {evaluation.data.name}", title_justify="left", box=None)
    shown.add_column(no_wrap=True)
    for column in _COLUMNS:
        shown.add_column(column, justify="right", no_wrap=True)
    overall = evaluation.intervals.get("rmse_minutes")
    shown.add_row("all", *_cells(evaluation.metrics, overall))
    dimension = ""
    for part in evaluation.slices:
        if part.metrics.rides < MIN_RIDES:
            continue
        if part.dimension != dimension:
            dimension = part.dimension
            shown.add_row(dimension)
        shown.add_row(f"  {part.value}", *_cells(part.metrics, part.rmse_interval))
    return shown


def _cells(metrics: Metrics, interval: Interval | None) -> tuple[str, ...]:
    return (
        f"{metrics.rides:,}",
        f"{metrics.rmse_minutes:.2f}",
        f"{interval.low:.2f} to {interval.high:.2f}" if interval else "",
        f"{metrics.mae_minutes:.2f}",
        f"{metrics.bias_minutes:+.2f}",
        f"{metrics.p90_error_minutes:.1f}",
        f"{metrics.within_5_minutes:.1%}",
    )
