"""Figures of predicted against actual minutes."""

from typing import Final

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray

from training.evaluation.figures.canvas import BLUE, GREY, ORANGE, legend, new_axes
from training.evaluation.metrics import Metrics, Minutes

_BINS: Final = 20
_HISTOGRAM_MINUTES: Final = 30.0
_DENSITY: Final = ListedColormap(colormaps["Greys"](np.linspace(0.2, 1, 256)))
"""Starts at a grey that stands out from the page, so that single rides are visible."""
_ERROR: Final = "predicted minus actual (minutes)"


def calibration(actual: Minutes, predicted: Minutes) -> Figure:
    """Mean actual against mean predicted minutes, in 20 bins with equal numbers of rides."""
    bins = _quantile_bins(predicted)
    means = np.array([(predicted[rides].mean(), actual[rides].mean()) for rides in bins])
    figure, axes = new_axes(
        "Calibration: what was predicted, and what it took",
        "mean predicted duration (minutes)",
        "mean actual duration (minutes)",
        height_inches=5.2,
    )
    end = float(means.max()) * 1.06
    axes.plot([0, end], [0, end], color=GREY, linestyle="--", label="predicted = actual")
    label = f"{len(bins)} bins of {_counts(bins)} rides"
    axes.plot(means[:, 0], means[:, 1], color=BLUE, marker="o", markersize=6, label=label)
    axes.set(xlim=(0, end), ylim=(0, end), aspect="equal")
    legend(axes, "upper left")
    return figure


def residuals(actual: Minutes, predicted: Minutes) -> Figure:
    """Distribution of errors by predicted duration: density, median, p10 and p90."""
    error = predicted - actual
    reach = float(np.quantile(np.abs(error), 0.995)) or 1.0
    end = float(np.quantile(predicted, 0.999))
    start = min(float(predicted.min()), end - 1)
    figure, axes = new_axes(
        "Error at each predicted duration",
        "predicted duration (minutes)",
        _ERROR,
    )
    density = axes.hexbin(
        predicted,
        error,
        gridsize=(60, 30),
        extent=(start, end, -reach, reach),
        bins="log",
        mincnt=1,
        cmap=_DENSITY,
        linewidths=0,
    )
    axes.grid(visible=False)
    bar = figure.colorbar(density, ax=axes)
    bar.set_label("rides", fontsize=11)
    bar.ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    bins = _quantile_bins(predicted)
    middle = [float(np.median(predicted[rides])) for rides in bins]
    low, median, high = np.array([np.quantile(error[rides], (0.1, 0.5, 0.9)) for rides in bins]).T
    axes.axhline(0, color=GREY, linewidth=1)
    axes.plot(middle, median, color=ORANGE, linewidth=2.4, label="median")
    axes.plot(middle, low, color=BLUE, linewidth=2, linestyle="--", label="p10 and p90")
    axes.plot(middle, high, color=BLUE, linewidth=2, linestyle="--")
    axes.set(xlim=(start, end), ylim=(-reach, reach))
    legend(axes, "lower left")
    return figure


def error_histogram(actual: Minutes, predicted: Minutes, metrics: Metrics) -> Figure:
    """Share of rides by error; errors beyond 30 minutes are counted in the outer bars."""
    error = np.clip(predicted - actual, -_HISTOGRAM_MINUTES, _HISTOGRAM_MINUTES)
    beyond = float(np.mean(np.abs(predicted - actual) > _HISTOGRAM_MINUTES))
    figure, axes = new_axes(
        f"Errors: {metrics.within_5_minutes:.0%} of rides within 5 minutes",
        f"{_ERROR}; the outer bars hold the {beyond:.2%} beyond",
        "share of rides",
    )
    edges = np.linspace(-_HISTOGRAM_MINUTES, _HISTOGRAM_MINUTES, 61)
    axes.axvspan(-5, 5, color=BLUE, alpha=0.12, linewidth=0, label="within 5 minutes")
    axes.hist(error, bins=edges.tolist(), weights=np.full(len(error), 1 / len(error)), color=BLUE)
    bias = f"bias {metrics.bias_minutes:+.2f} minutes"
    axes.axvline(metrics.bias_minutes, color=ORANGE, linewidth=2.4, label=bias)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.0%}"))
    legend(axes, "upper left")
    return figure


def _quantile_bins(predicted: Minutes) -> list[NDArray[np.int64]]:
    """Indices of the rides in each bin, ordered by prediction."""
    order = np.argsort(predicted, kind="stable")
    return [rides for rides in np.array_split(order, _BINS) if len(rides)]


def _counts(bins: list[NDArray[np.int64]]) -> str:
    fewest, most = min(map(len, bins)), max(map(len, bins))
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
