"""Confidence interval of a value from its bootstrap draws."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE: Final = 0.95


class Interval(msgspec.Struct, frozen=True):
    """A two-sided confidence interval, in the value's own unit."""

    low: float
    high: float
    confidence: float = CONFIDENCE


def around(
    value: float, drawn: NDArray[np.float64], clusters: int, confidence: float = CONFIDENCE
) -> Interval:
    """The value plus and minus its bootstrap standard error times a quantile of Student's t.

    The standard interval of Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter
    12, with one degree of freedom fewer than clusters as in Cameron, Gelbach and Miller,
    Bootstrap-Based Improvements for Inference with Clustered Errors, The Review of Economics and
    Statistics 90 (2008). NaN among `drawn`, shape (draws,), is ignored.
    """
    # Not percentiles of the draws: with the 28 or so days of one hour they are too narrow, and at
    # 99.9 % they depend on a handful of draws.
    reach = float(stdtrit(clusters - 1, (1 + confidence) / 2)) * float(np.nanstd(drawn, ddof=1))
    return Interval(value - reach, value + reach, confidence)
