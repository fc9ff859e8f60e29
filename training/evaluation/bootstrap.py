"""Confidence intervals of metrics from a cluster bootstrap over hours.

Rides of one calendar hour share traffic and weather, so their errors are correlated, and a
bootstrap over single rides would give intervals that are too narrow. Whole hours are resampled.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.evaluation.interval import Interval, around
from training.evaluation.metrics import CLOSE_MINUTES, Minutes, errors
from trips.columns import Trips

Mask = NDArray[np.bool_]

DRAWS: Final = 2_000
MIN_RIDES: Final = 100
"""With fewer rides there is no interval."""
MIN_HOURS: Final = 10
"""Nor with fewer hours: a handful of clusters says next to nothing about the variance between
clusters, and a single one would give an interval of zero width."""
_BLOCK: Final = 500
"""Draws in memory at once: 3 MB for a month of hours."""


class Difference(msgspec.Struct, frozen=True):
    """RMSE of the champion minus the challenger's: above 0, the challenger is better."""

    rides: int
    minutes: float
    interval: Interval | None
    """None if there are too few rides or hours."""


def intervals(
    trips: Trips, predicted: Minutes, seed: int, draws: int = DRAWS
) -> dict[str, Interval]:
    """95 % intervals of RMSE, MAE, bias and the share within 5 minutes, by metric name.

    Empty if the trips span fewer than `MIN_HOURS` hours. `predicted` is in minutes, shape (n,).
    Raises `ValueError` as `metrics.errors` does.

    Clusters are resampled as in Field and Welsh, Bootstrapping clustered data, Journal of the Royal
    Statistical Society B 69 (2007); see `interval.around` for the interval.
    """
    error = errors(trips.duration_minutes, predicted)
    absolute = np.abs(error)
    close = (absolute <= CLOSE_MINUTES).astype(np.float64)
    hour = hour_index(trips)
    sums = np.column_stack([_by_hour(hour, c) for c in (None, error**2, absolute, error, close)])
    if len(sums) < MIN_HOURS:
        return {}
    observed, drawn = _metrics(sums.sum(axis=0)[None]), _metrics(_resampled(sums, draws, seed))
    names = ("rmse_minutes", "mae_minutes", "bias_minutes", "within_5_minutes")
    return {
        name: around(float(observed[0, place]), drawn[:, place], len(sums))
        for place, name in enumerate(names)
    }


def rmse_intervals(
    trips: Trips, predicted: Minutes, masks: Sequence[Mask], seed: int
) -> list[Interval | None]:
    """95 % interval of the RMSE on each mask's rides; None if there are too few."""
    squared = errors(trips.duration_minutes, predicted) ** 2
    hour = hour_index(trips)
    sums = [_by_hour(hour, column, mask) for mask in masks for column in (None, squared)]
    if not sums:
        return []
    by_hour = np.column_stack(sums)
    observed = _roots(by_hour.sum(axis=0)[None])[0]
    drawn = _roots(_resampled(by_hour, DRAWS, seed))
    return [
        around(float(observed[place]), drawn[:, place], hours_of(hour, mask))
        if can_be_judged(hour, mask)
        else None
        for place, mask in enumerate(masks)
    ]


def paired(
    trips: Trips,
    champion_minutes: Minutes,
    challenger_minutes: Minutes,
    masks: Sequence[Mask],
    confidence: float,
    seed: int,
) -> list[Difference]:
    """Difference in RMSE on each mask's rides, with both models on the same resampled hours.

    Hours that are hard for one model are hard for both, so the difference is far more precise than
    either RMSE. `confidence` is that of each two-sided interval. Raises `ValueError` as
    `metrics.errors` does, and for a mask without rides.
    """
    squared = [
        errors(trips.duration_minutes, minutes) ** 2
        for minutes in (champion_minutes, challenger_minutes)
    ]
    if any(not mask.any() for mask in masks):
        raise ValueError("a mask chooses no rides: there is nothing to compare on it")
    if not masks:
        return []
    hour = hour_index(trips)
    sums = np.column_stack(
        [_by_hour(hour, column, mask) for mask in masks for column in (None, *squared)]
    )
    observed = _differences(sums.sum(axis=0)[None])[0]
    drawn = _differences(_resampled(sums, DRAWS, seed))
    return [
        Difference(
            rides=int(np.count_nonzero(mask)),
            minutes=float(observed[place]),
            interval=(
                around(float(observed[place]), drawn[:, place], hours_of(hour, mask), confidence)
                if can_be_judged(hour, mask)
                else None
            ),
        )
        for place, mask in enumerate(masks)
    ]


def hour_index(trips: Trips) -> NDArray[np.int64]:
    """Index of each ride's calendar hour, shape (n,): 0 to hours - 1, without gaps."""
    _, index = np.unique(trips.pickup.astype("datetime64[h]"), return_inverse=True)
    return index.astype(np.int64)


def hours_of(hour: NDArray[np.int64], mask: Mask) -> int:
    """Number of hours with rides of the mask."""
    return int(np.count_nonzero(np.bincount(hour[mask])))


def can_be_judged(hour: NDArray[np.int64], mask: Mask) -> bool:
    """Whether the mask has enough rides, in enough hours, for an interval."""
    return int(np.count_nonzero(mask)) >= MIN_RIDES and hours_of(hour, mask) >= MIN_HOURS


def _by_hour(
    hour: NDArray[np.int64], column: Minutes | None, mask: Mask | None = None
) -> NDArray[np.float64]:
    """Sum of a column per hour, or the number of rides; shape (hours,)."""
    hours = int(hour.max()) + 1
    if mask is not None:
        hour, column = hour[mask], None if column is None else column[mask]
    return np.bincount(hour, column, minlength=hours).astype(np.float64)


def _resampled(sums: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    """Sums over resampled hours, shape (draws, columns), from sums per hour, shape (hours,
    columns).

    Metrics are functions of sums, so only the count of each hour is needed, not the rides.
    """
    rng = np.random.default_rng(seed)
    blocks = [min(_BLOCK, draws - first) for first in range(0, draws, _BLOCK)]
    return np.concatenate([_counts(rng, size, len(sums)) @ sums for size in blocks])


def _counts(rng: np.random.Generator, draws: int, hours: int) -> NDArray[np.float64]:
    """How often each hour is drawn, in as many draws as there are hours; shape (draws, hours)."""
    # Multinomial counts. For a month of hours numpy's own multinomial is five times slower.
    places = rng.integers(hours, size=(draws, hours)) + np.arange(draws)[:, None] * hours
    counts = np.bincount(places.ravel(), minlength=draws * hours)
    return counts.reshape(draws, hours).astype(np.float64)


def _metrics(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """RMSE and means from columns (rides, squares, others); shape (draws, columns - 1)."""
    means = sums[:, 1:] / sums[:, :1]
    return np.column_stack([np.sqrt(means[:, 0]), means[:, 1:]])


def _differences(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """From columns (rides, champion's, challenger's squares) per mask; shape (draws, masks)."""
    rides, champion, challenger = sums[:, ::3], sums[:, 1::3], sums[:, 2::3]
    return _rmse(champion, rides) - _rmse(challenger, rides)


def _roots(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """RMSE from columns (rides, squares) per mask; shape (draws, masks)."""
    return _rmse(sums[:, 1::2], sums[:, ::2])


def _rmse(squares: NDArray[np.float64], rides: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN if a draw has none of a mask's hours."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(squares / rides), dtype=np.float64)
