"""The promotion rule: compares two models on the same rides, and gives a verdict with reasons."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from training.evaluation.bootstrap import (
    MIN_HOURS,
    MIN_RIDES,
    Difference,
    Mask,
    can_be_judged,
    hour_index,
    paired,
)
from training.evaluation.interval import CONFIDENCE, Interval
from training.evaluation.metrics import Minutes
from training.evaluation.slices import Slice, slices
from trips.columns import Trips

_NAMED: Final = 5
"""Worse slices that get a sentence of their own."""


class WorseSlice(msgspec.Struct, frozen=True):
    """Rides on which the challenger is significantly worse than the champion."""

    dimension: str
    value: str
    rides: int
    difference_minutes: float
    """RMSE of the champion minus the challenger's: below 0."""
    interval: Interval


class Verdict(msgspec.Struct, frozen=True):
    """Whether a challenger may be promoted: only if `reasons` is empty."""

    better: bool
    """The whole interval of the difference is above the margin."""
    rides: int
    difference_minutes: float
    """RMSE of the champion minus the challenger's: above 0, the challenger is better."""
    margin_minutes: float
    interval: Interval | None
    """None if there are too few rides or hours."""
    slices_judged: int
    slices_worse: list[WorseSlice]
    reasons: list[str]
    """Sentences on why the challenger may not be promoted."""


def compare(
    trips: Trips,
    champion_minutes: Minutes,
    challenger_minutes: Minutes,
    seen: Mask,
    seed: int,
    margin_minutes: float = 0.0,
) -> Verdict:
    """Compares the challenger with the champion on n rides; minutes and `seen` have shape (n,).

    It may be promoted if it is better by more than `margin_minutes` over all rides, and worse on no
    slice. Raises `ValueError` if shapes differ, values are not finite or there are no rides.
    """
    [overall] = paired(
        trips,
        champion_minutes,
        challenger_minutes,
        [np.ones(len(trips), dtype=np.bool_)],
        CONFIDENCE,
        seed,
    )
    hour = hour_index(trips)
    judged = [part for part in slices(trips, seen) if can_be_judged(hour, part.mask)]
    differences = paired(
        trips,
        champion_minutes,
        challenger_minutes,
        [part.mask for part in judged],
        _corrected(len(judged)),
        seed,
    )
    better = overall.interval is not None and overall.interval.low > margin_minutes
    worse = _worse(judged, differences)
    return Verdict(
        better=better,
        rides=overall.rides,
        difference_minutes=overall.minutes,
        margin_minutes=margin_minutes,
        interval=overall.interval,
        slices_judged=len(judged),
        slices_worse=worse,
        reasons=[
            *([] if better else [_not_better(overall, margin_minutes)]),
            *(_is_worse(part) for part in worse[:_NAMED]),
            *_others(len(worse), len(judged)),
        ],
    )


def _corrected(count: int) -> float:
    """The confidence level for each of `count` slices."""
    # Bonferroni: of 40 slices at 95 % each, one or two would look worse by chance for an equal
    # model. With the 5 % divided among them, the chance that any does stays below 5 %, however the
    # slices overlap.
    return 1 - (1 - CONFIDENCE) / max(count, 1)


def _worse(judged: Sequence[Slice], differences: Sequence[Difference]) -> list[WorseSlice]:
    """Worst first."""
    worse = [
        WorseSlice(part.dimension, part.value, found.rides, found.minutes, found.interval)
        for part, found in zip(judged, differences, strict=True)
        if found.interval is not None and found.interval.high < 0
    ]
    return sorted(worse, key=lambda part: part.difference_minutes)


def _not_better(overall: Difference, margin_minutes: float) -> str:
    interval = overall.interval
    if interval is None:
        return (
            f"{overall.rides:,} rides cannot tell which model is better: at least {MIN_RIDES} are "
            f"needed, from at least {MIN_HOURS} hours"
        )
    than = f"by more than {margin_minutes:g} minutes" if margin_minutes else "beyond the noise"
    return (
        f"it is not better {than}: over {overall.rides:,} rides its RMSE is "
        f"{_amount(overall.minutes)} than the champion's, and the 95 % interval of the gain is "
        f"{interval.low:+.3f} to {interval.high:+.3f} minutes"
    )


def _is_worse(part: WorseSlice) -> str:
    return (
        f"it is worse where {part.dimension} is {part.value}: over {part.rides:,} rides its RMSE "
        f"is {_amount(part.difference_minutes)} than the champion's, and at best "
        f"{_amount(part.interval.high)}"
    )


def _others(worse: int, judged: int) -> list[str]:
    if worse <= _NAMED:
        return []
    return [f"it is worse on {worse - _NAMED} more of the {judged} slices that were judged"]


def _amount(gain_minutes: float) -> str:
    return f"{abs(gain_minutes):.3f} minutes {'lower' if gain_minutes > 0 else 'higher'}"
