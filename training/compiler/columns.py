"""Maps columns that trees split on back to features, so that rides can be made for a split.

For a threshold, gives feature values on it and on both sides of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

UNSEEN: Final = -1.5
"""A number that is no category."""
_NEIGHBOURS: Final = 2


@dataclass(frozen=True)
class Step:
    """A split on the path to another, and the branch that the path takes."""

    threshold: float
    members: frozenset[int] | None
    true: bool

    def allows(self, values: Floats) -> NDArray[np.bool_]:
        """Which values take this branch; missing ones do not count."""
        if self.members is None:
            taken = values <= self.threshold
        else:
            taken = np.isin(values, list(self.members))
        allowed: NDArray[np.bool_] = (taken == self.true) & ~np.isnan(values)
        return allowed


@dataclass(frozen=True)
class Scaled:
    """(feature - offset) / scale; the feature itself for 0 and 1."""

    feature: int
    offset: float = 0.0
    scale: float = 1.0

    def around(self, step: Step, *, single: bool) -> Floats:
        """Values of the feature on the threshold and next to it.

        Trees that first round values to single precision (`single`) switch elsewhere: halfway to
        the next single.
        """
        at = np.array([step.threshold])
        if single:
            below = np.float32(step.threshold)
            if below > step.threshold:
                below = np.nextafter(below, np.float32(-np.inf))
            above = np.nextafter(below, np.float32(np.inf))
            at = np.array([below, above, float(below) / 2 + float(above) / 2, step.threshold])
        values = at * self.scale + self.offset
        return _with_neighbours(values, 1 if self.scale == 1 and self.offset == 0 else _NEIGHBOURS)

    def reach(self, steps: Sequence[Step], value: float) -> float | None:
        """The feature's `value` if it takes the path, otherwise one that does.

        None if only a missing value does: beyond an infinite threshold.
        """
        low = max((step.threshold for step in steps if not step.true), default=-np.inf)
        high = min((step.threshold for step in steps if step.true), default=np.inf)
        if low == np.inf:
            return None
        scaled = (value - self.offset) / self.scale
        if not low < scaled <= high:
            scaled = _between(low, high)
        return scaled * self.scale + self.offset


@dataclass(frozen=True)
class Encoded:
    """Codes of categories: `codes[i]` for `keys[i]`, and `default` for any other number."""

    feature: int
    keys: Floats
    codes: Floats
    default: float

    def around(self, step: Step, *, single: bool) -> Floats:  # noqa: ARG002 - as in Scaled
        """The categories whose codes are closest to the threshold, on both sides."""
        if step.members is not None:
            return self.keys
        order = np.argsort(self.codes, kind="stable")
        at = int(np.searchsorted(self.codes[order], step.threshold, side="right"))
        return self.keys[order[max(at - 1, 0) : at + 1]]

    def reach(self, steps: Sequence[Step], value: float) -> float | None:  # noqa: ARG002
        """A category that takes the path, or None if there is none."""
        keys = np.append(self.keys, UNSEEN)
        codes = np.append(self.codes, self.default)
        allowed = np.ones(len(codes), dtype=np.bool_)
        for step in steps:
            allowed &= step.allows(codes)
        found = keys[allowed]
        return float(found[len(found) // 2]) if len(found) else None


Column = Scaled | Encoded


def _between(low: float, high: float) -> float:
    if np.isfinite(low) and np.isfinite(high):
        return low / 2 + high / 2
    return low + max(1.0, abs(low)) if np.isfinite(low) else high


def _with_neighbours(values: Floats, count: int) -> Floats:
    found = [values]
    for direction in (-np.inf, np.inf):
        near = values
        for _ in range(count):
            near = np.nextafter(near, direction)
            found.append(near)
    return np.concatenate(found)
