"""Parity check: by how much a compiled model differs from its source over many rides.

The compiled model runs as in the function. Rides are scored in batches of 1,000 and of 100, and
some one by one: batches are sorted, and ONNX Runtime takes other code paths for other sizes.
"""

import warnings
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from ride_scoring.errors import ModelRefused
from ride_scoring.models.compiled import PARITY_TOLERANCE, CompiledModel, Parity
from ride_scoring.models.inputs import ModelInputs
from training.compiler.converters import convert
from training.compiler.graph import NotCompilable
from training.compiler.parity_rides import Asked, asked

Floats = NDArray[np.float64]

_BATCHES: Final = (1_000, 100)
_ALONE: Final = 300
"""Rides of each part that are also scored one by one."""
_MILLION_MINUTES: Final = 1e6
"""Above this, which no ride comes near, differences are relative, per million minutes: the spacing
of doubles exceeds any absolute bound."""


class Group(msgspec.Struct, frozen=True):
    """The result for one kind of rides."""

    rides: int
    largest_difference_minutes: float


class ParityReport(msgspec.Struct, frozen=True):
    """Differences between a compiled model and its source. `refused`: inputs that the source
    rejects, so that there is nothing to compare. `splits_tried` of the trees' `splits` were tested.
    """

    rides: int
    largest_difference_minutes: float
    groups: dict[str, Group]
    refused: tuple[str, ...]
    splits: int
    splits_tried: int

    @property
    def parity(self) -> Parity:
        """The parity stated in the compiled file."""
        return Parity(self.rides, self.largest_difference_minutes)


def check(content: bytes, estimator: BaseEstimator, takes: ModelInputs) -> ParityReport:
    """Raises `NotCompilable` if any ride differs by `PARITY_TOLERANCE` or more."""
    compiled = _opened(content)
    converted = convert(estimator, takes)
    groups: dict[str, Group] = {}
    refused: list[str] = []
    splits_tried = 0
    # One thread: on a busy machine, threads waiting for each other take five times as long.
    with threadpool_limits(limits=1):
        for part in asked(converted, takes):
            expected = _expected(estimator, part, takes.names)
            if expected is None:
                refused.append(str(part.refusable))
                continue
            difference = _largest_difference(compiled, part, expected, converted.features)
            splits_tried += part.splits
            groups[part.group] = _joined(groups.get(part.group), len(expected), difference)
    ensemble = converted.ensemble
    return ParityReport(
        rides=sum(group.rides for group in groups.values()),
        largest_difference_minutes=max(
            group.largest_difference_minutes for group in groups.values()
        ),
        groups=groups,
        refused=tuple(dict.fromkeys(refused)),
        splits=sum(len(tree.splits) for tree in ensemble.trees) if ensemble else 0,
        splits_tried=splits_tried,
    )


def _opened(content: bytes) -> CompiledModel:
    try:
        return CompiledModel(content)
    except ModelRefused as error:
        raise NotCompilable(f"the function refuses the compiled file: {error}") from error


def _joined(before: Group | None, rides: int, difference: float) -> Group:
    if before is None:
        return Group(rides, difference)
    return Group(before.rides + rides, max(before.largest_difference_minutes, difference))


def _expected(estimator: BaseEstimator, part: Asked, names: Sequence[str]) -> Floats | None:
    """The source's minutes, or None if it rejects these rides and may do so."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflows, which are provoked on purpose
        try:
            minutes = np.asarray(estimator.predict(_taken(estimator, part, names)))
        except ValueError as error:
            if part.refusable is None:
                raise NotCompilable(f"the model refuses rides that are scored: {error}") from error
            return None
    if minutes.shape != (len(part.matrix),):
        raise NotCompilable(f"the model gives {minutes.shape} numbers for {len(part.matrix)} rides")
    return minutes.astype(np.float64)


def _taken(estimator: BaseEstimator, part: Asked, names: Sequence[str]) -> object:
    if part.dicts is not None:
        return part.dicts
    if hasattr(estimator, "feature_names_in_"):  # fitted on a data frame
        import pandas as pd  # noqa: PLC0415 - the project's own models are fitted on matrices

        return pd.DataFrame(part.matrix, columns=list(names))
    return part.matrix


def _largest_difference(
    compiled: CompiledModel, part: Asked, expected: Floats, names: Sequence[str]
) -> float:
    alone = np.unique(np.linspace(0, len(expected) - 1, _ALONE).astype(np.int64))
    runs = [(np.arange(len(expected)), size) for size in _BATCHES] + [(alone, 1)]
    largest = 0.0
    for rows, size in runs:
        actual = _in_batches(compiled, part.matrix[rows], size)
        differences = _differences(expected[rows], actual)
        worst = int(np.argmax(differences))
        if not differences[worst] < PARITY_TOLERANCE:
            ride = dict(zip(names, part.matrix[rows[worst]].tolist(), strict=True))
            raise NotCompilable(
                f"the compiled model differs by {differences[worst]:.3g} minutes on the ride "
                f"{ride} (of the {part.group}, {size} at a time): the model gives "
                f"{expected[rows[worst]]}, the compiled one {actual[worst]}"
            )
        largest = max(largest, float(differences[worst]))
    return largest


def _in_batches(compiled: CompiledModel, matrix: Floats, size: int) -> Floats:
    batches = [matrix[start : start + size] for start in range(0, len(matrix), size)]
    return np.concatenate([compiled.predict(batch) for batch in batches])


def _differences(expected: Floats, actual: Floats) -> Floats:
    """In minutes; infinite if only one of the two is NaN."""
    with np.errstate(all="ignore"):
        unit = np.maximum(1.0, np.abs(expected) / _MILLION_MINUTES)
        differences = np.abs(expected - actual) / unit
    differences[np.isnan(differences)] = np.inf
    differences[(expected == actual) | (np.isnan(expected) & np.isnan(actual))] = 0.0
    return differences
