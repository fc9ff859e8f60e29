"""The charts of a run, from moments and latency classes; None if there is nothing to draw."""

import math
from collections.abc import Sequence
from typing import Final

from stream_sim.verify.account import Latency
from stream_sim.verify.report import axis
from stream_sim.verify.report.axis import Axis
from stream_sim.verify.report.chart import Chart, Mark, filled, trace
from stream_sim.verify.report.words import milliseconds, number
from stream_sim.verify.timeline import LatencyClass, Moments

_MOST_BARS: Final = 60
"""More would be narrower than a point on paper."""


def throughput(moments: Moments) -> Chart | None:
    """Rides a second: sent, predicted and rejected."""
    if not moments.seconds:
        return None
    sent, predicted, rejected = (
        [count / moments.bin_seconds for count in counts]
        for counts in (moments.sent, moments.predicted, moments.rejected)
    )
    x, y = _time(moments), axis.from_zero(max(*sent, *predicted, *rejected))
    edges = _edges(moments)
    return Chart(
        "throughput",
        "Rides a second",
        f"Rides were sent at up to {number(max(sent))} a second, {_when(moments, sent)}. "
        f"Predictions came at up to {number(max(predicted))} a second, rejects at up to "
        f"{number(max(rejected))}. A step is {moments.bin_seconds:,g} s.",
        x,
        y,
        [
            filled("sent", "b", edges, sent, x, y),
            trace("predicted", "a", edges, predicted, x, y),
            trace("rejected", "c", edges, rejected, x, y),
        ],
    )


def latency_over_time(moments: Moments) -> Chart | None:
    """Latency percentiles in milliseconds, by the prediction's arrival time."""
    named = {"p99": moments.p99_ms, "p95": moments.p95_ms, "p50": moments.p50_ms}
    known = [value for values in named.values() for value in values if value is not None]
    if not known:
        return None
    x, y = _time(moments), axis.of_latency(min(known), max(known))
    scale = ", on a logarithmic axis" if y.log else ""
    return Chart(
        "latency-over-time",
        "Latency over time",
        "From a ride's arrival in the events stream to its prediction's in the other, by when the "
        f"prediction arrived{scale}. The highest p99 is {milliseconds(max(known))}, "
        f"{_when(moments, moments.p99_ms)}.",
        x,
        y,
        [
            trace(name, style, _edges(moments), values, x, y)
            for (name, values), style in zip(named.items(), "cba", strict=True)
        ],
    )


def latency_distribution(classes: Sequence[LatencyClass], latency: Latency | None) -> Chart | None:
    """Percentage of predictions by milliseconds, with the percentiles marked."""
    rides = sum(one.rides for one in classes)
    if latency is None or not rides:
        return None
    bounds, counts = _bars(classes)
    shares = [100 * count / rides for count in counts]
    x = axis.logarithmic(bounds[0], bounds[-1], number)
    y = axis.from_zero(max(shares), lambda percent: f"{percent:g} %")
    named = {"p50": latency.p50, "p95": latency.p95, "p99": latency.p99}
    return Chart(
        "latency-distribution",
        "Distribution of latency, in milliseconds",
        f"Half of the predictions took up to {milliseconds(latency.p50)}, 95 % up to "
        f"{milliseconds(latency.p95)}, 99 % up to {milliseconds(latency.p99)}. Bars are shares of "
        "all predictions, on a logarithmic axis.",
        x,
        y,
        [filled("predictions", "a", bounds, shares, x, y)],
        [Mark(x.percent(ms), f"{name} {milliseconds(ms)}") for name, ms in named.items()],
    )


def error_over_time(moments: Moments) -> Chart | None:
    """Root mean squared error in minutes; None for a single moment, which shows no trend."""
    known = [value for value in moments.rmse_minutes if value is not None]
    if len(known) < 2:
        return None
    x, y = _time(moments), axis.from_zero(max(known), lambda minutes: f"{minutes:g} min")
    return Chart(
        "error-over-time",
        "RMSE over time",
        f"Of all models' predictions, by when they arrived: {min(known):.2f} to {max(known):.2f} "
        "minutes.",
        x,
        y,
        [trace("RMSE", "a", _edges(moments), moments.rmse_minutes, x, y)],
    )


def _edges(moments: Moments) -> list[float]:
    return [*moments.seconds, moments.seconds[-1] + moments.bin_seconds]


def _time(moments: Moments) -> Axis:
    return axis.of_time(_edges(moments)[-1])


def _when(moments: Moments, values: Sequence[float | None]) -> str:
    """When the values peak."""
    highest = max(range(len(values)), key=lambda i: values[i] or 0.0)
    return f"{moments.seconds[highest]:,.0f} s into the run"


def _bars(classes: Sequence[LatencyClass]) -> tuple[list[float], list[int]]:
    """Bounds in milliseconds and counts, with neighbouring classes merged."""
    together = math.ceil(len(classes) / _MOST_BARS)
    groups = [classes[i : i + together] for i in range(0, len(classes), together)]
    highest = [group[-1].to_ms for group in groups]
    # All classes have the same ratio; for a single one it is unknown, and any small one will do.
    ratio = classes[1].to_ms / classes[0].to_ms if len(classes) > 1 else 1.05
    return [classes[0].to_ms / ratio, *highest], [sum(c.rides for c in group) for group in groups]
