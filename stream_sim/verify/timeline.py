"""Counts over time, in a few thousand numbers, however long a run was.

Bins are one second wide at first. When a run outgrows them, pairs are merged, doubling their width.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.common.latency import CLASSES, classes, percentile, upper_ms

BINS: Final = 600

Floats = NDArray[np.float64]


class LatencyClass(msgspec.Struct, frozen=True, array_like=True):
    """That many rides took up to `to_ms` milliseconds, and longer than the class before."""

    to_ms: float
    rides: int


class Moments(msgspec.Struct, frozen=True):
    """Lists of equal length: what happened in the bins starting at `seconds` of the run.

    `sent` counts what the stream accepted, by the time of the put; `predicted`, the latencies
    (milliseconds) and the root mean squared error (minutes) are by the prediction's arrival; None
    if there were no predictions.
    """

    bin_seconds: float
    seconds: list[float]
    sent: list[int]
    predicted: list[int]
    rejected: list[int]
    p50_ms: list[float | None]
    p95_ms: list[float | None]
    p99_ms: list[float | None]
    rmse_minutes: list[float | None]


class Timeline:
    """Counts by time since `began_at`, seconds since the epoch."""

    def __init__(self, began_at: float) -> None:
        self._began_at = began_at
        self._bin_seconds = 1.0
        self._last = -1
        self._counts = {
            name: np.zeros(BINS, np.int64) for name in ("sent", "predicted", "rejected")
        }
        self._latency = np.zeros((BINS, CLASSES), np.int64)
        # Of predictions whose true duration counts: their number, and the sum of squared errors.
        self._erred = np.zeros(BINS, np.int64)
        self._squares = np.zeros(BINS)

    def count(self, name: str, at: Floats) -> None:
        """Count events at these times, shape (n,), seconds since the epoch."""
        np.add.at(self._counts[name], self._bins(at), 1)

    def predicted(self, at: Floats, latency_ms: Floats) -> None:
        """Count predictions by arrival time, with their latencies; shapes (n,)."""
        bins = self._bins(at)
        np.add.at(self._counts["predicted"], bins, 1)
        np.add.at(self._latency, (bins, classes(latency_ms)), 1)

    def erred(self, at: Floats, minutes: Floats) -> None:
        """Add the errors of predictions by arrival time; shapes (n,)."""
        bins = self._bins(at)
        np.add.at(self._erred, bins, 1)
        np.add.at(self._squares, bins, minutes**2)

    def percentile(self, percent: float) -> float | None:
        """Of all latencies, in milliseconds; None if there are none."""
        return percentile(self._latency.sum(axis=0), percent)

    def latency_classes(self) -> list[LatencyClass]:
        """The classes from the first to the last non-empty one."""
        counts = self._latency.sum(axis=0)
        (filled,) = np.nonzero(counts)
        if not len(filled):
            return []
        kept = range(filled[0], filled[-1] + 1)
        return [LatencyClass(upper_ms(i), int(counts[i])) for i in kept]

    def moments(self) -> Moments:
        bins = range(self._last + 1)
        counts = {name: values[: self._last + 1].tolist() for name, values in self._counts.items()}
        p50, p95, p99 = (
            [percentile(self._latency[i], percent) for i in bins] for percent in (50, 95, 99)
        )
        return Moments(
            bin_seconds=self._bin_seconds,
            seconds=[i * self._bin_seconds for i in bins],
            sent=counts["sent"],
            predicted=counts["predicted"],
            rejected=counts["rejected"],
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            rmse_minutes=[_rmse(int(self._erred[i]), float(self._squares[i])) for i in bins],
        )

    def _bins(self, at: Floats) -> NDArray[np.int64]:
        """The bins of the times, widened first if they do not reach far enough."""
        if not len(at):
            return np.zeros(0, np.int64)
        since = np.maximum(at - self._began_at, 0.0)  # one of the two clocks may be behind
        while since.max() >= BINS * self._bin_seconds:
            self._widen()
        bins: NDArray[np.int64] = (since / self._bin_seconds).astype(np.int64)
        self._last = max(self._last, int(bins.max()))
        return bins

    def _widen(self) -> None:
        self._bin_seconds *= 2
        self._last //= 2
        for values in (*self._counts.values(), self._latency, self._erred, self._squares):
            values[: BINS // 2] = values[0::2] + values[1::2]
            values[BINS // 2 :] = 0


def _rmse(count: int, squares: float) -> float | None:
    return round(float(np.sqrt(squares / count)), 3) if count else None
