"""Reference distribution of features and predictions, for detecting drift later.

A profile is stored as JSON with the model; later values are compared with its parts.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain.features import CATEGORIES

Values = NDArray[np.float64]

_DECILES: Final = np.linspace(0, 1, 11)
_FEWEST_QUANTITIES: Final = 11
"""Quantities with fewer distinct values have no deciles: each value is counted."""
_MOST_CATEGORIES: Final = 50
_LEAST_SHARE: Final = 1e-4
"""Replaces a share of 0, whose logarithm is infinite."""


class Deciles(msgspec.Struct, frozen=True, tag="deciles"):
    """Distribution of a quantity: the share of values in each bin between two edges."""

    edges: list[float]
    """11 quantiles, fewer if there are many ties. The outer bins are open: values beyond an outer
    edge count in the bin next to it."""
    shares: list[float]
    """One fewer than edges, in their order; sums to 1 with `missing`."""
    missing: float


class Categories(msgspec.Struct, frozen=True, tag="categories"):
    """Distribution of a category, or of few distinct numbers: shares of the 50 commonest."""

    values: list[float]
    shares: list[float]
    other: float
    """The share of all other values."""
    missing: float


Part = Deciles | Categories


class ReferenceProfile(msgspec.Struct, frozen=True):
    """Distribution of a model's rides and predictions at training time."""

    rides: int
    features: dict[str, Part]
    predictions: Part
    """In minutes."""
    prediction_mean_minutes: float
    prediction_std_minutes: float


def reference_profile(
    matrix: Values,
    names: Sequence[str],
    predicted: Values,
    categories: Collection[str] = CATEGORIES,
) -> ReferenceProfile:
    """The profile of n rides: features of shape (n, features), minutes of shape (n,).

    NaN counts as missing. Raises `ValueError` if there are no rides.
    """
    if not len(matrix) or len(matrix) != len(predicted):
        raise ValueError(f"{len(matrix)} rides and {len(predicted)} predictions make no profile")
    return ReferenceProfile(
        rides=len(matrix),
        features={
            name: _part(column, named=name in categories)
            for name, column in zip(names, matrix.T, strict=True)
        },
        predictions=_part(predicted, named=False),
        prediction_mean_minutes=float(predicted.mean()),
        prediction_std_minutes=float(predicted.std()),
    )


def population_stability(part: Part, values: Values) -> float:
    """Population stability index of values, shape (n,), against a part of a profile.

    The sum over bins of (a - e) ln(a / e), for actual and expected shares: 0 if they agree. The
    usual reading: below 0.1 no shift, above 0.25 a large one (Siddiqi, Credit Risk Scorecards,
    2006). Chance alone gives about (bins - 1) (1 / n + 1 / rides of the profile) (Yurdakul,
    Statistical Properties of Population Stability Index, 2018), so a few hundred values say little.
    Raises `ValueError` if there are no values.
    """
    if not len(values):
        raise ValueError("at least one value is needed")
    expected = np.maximum(_expected(part), _LEAST_SHARE)
    actual = np.maximum(_shares(part, values), _LEAST_SHARE)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def _part(values: Values, *, named: bool) -> Part:
    present = values[~np.isnan(values)]
    if named or len(np.unique(present)) < _FEWEST_QUANTITIES:
        return _categories(present, len(values))
    return _deciles(present, len(values))


def _deciles(present: Values, count: int) -> Deciles:
    edges = np.unique(np.quantile(present, _DECILES))
    return Deciles(
        edges=edges.tolist(),
        shares=(_in_bins(edges, present) / count).tolist(),
        missing=(count - len(present)) / count,
    )


def _categories(present: Values, count: int) -> Categories:
    found, counts = np.unique(present, return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES]
    return Categories(
        values=found[commonest].tolist(),
        shares=(counts[commonest] / count).tolist(),
        other=float((len(present) - counts[commonest].sum()) / count),
        missing=(count - len(present)) / count,
    )


def _expected(part: Part) -> Values:
    """The shares of a part, with those of other and missing values last."""
    rest = [part.other, part.missing] if isinstance(part, Categories) else [part.missing]
    return np.array([*part.shares, *rest])


def _shares(part: Part, values: Values) -> Values:
    """The shares of values in a part's bins, shaped like `_expected`."""
    present = values[~np.isnan(values)]
    if isinstance(part, Categories):
        counts = np.array([np.count_nonzero(present == value) for value in part.values])
        counts = np.append(counts, len(present) - counts.sum())
    else:
        counts = _in_bins(np.array(part.edges), present)
    return np.append(counts, len(values) - len(present)) / len(values)


def _in_bins(edges: Values, present: Values) -> NDArray[np.int64]:
    """Number of values in each bin, including its lower edge; shape (bins,)."""
    inner = edges[1:-1]
    return np.bincount(np.searchsorted(inner, present, side="right"), minlength=len(inner) + 1)
