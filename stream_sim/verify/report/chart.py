"""The lines of one chart, from values over bins, as the template needs them.

Lines are small SVG paths that stretch with the page, and labels are page text: a matplotlib figure
would shrink its text along with itself on a narrow screen.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from stream_sim.verify.report.axis import Axis


class Trace(msgspec.Struct, frozen=True):
    """A line; `style` is a CSS class, `filled` whether the area under it is drawn as well."""

    label: str
    style: str
    path: str
    filled: bool = False


class Mark(msgspec.Struct, frozen=True):
    """A vertical line at `percent` of the x axis."""

    percent: float
    label: str


class Chart(msgspec.Struct, frozen=True):
    """`key` is unique in the page; `says` is one or two sentences for those who cannot see it."""

    key: str
    title: str
    says: str
    x: Axis
    y: Axis
    traces: list[Trace]
    marks: list[Mark] = []


def trace(
    label: str, style: str, edges: Sequence[float], values: Sequence[float | None], x: Axis, y: Axis
) -> Trace:
    """A step over each bin, with a gap where a bin has no value.

    `edges` has one more item than `values`: a bin lies between two neighbours.
    """
    return Trace(label, style, "".join(_steps(edges, values, x, y)))


def filled(
    label: str, style: str, edges: Sequence[float], values: Sequence[float], x: Axis, y: Axis
) -> Trace:
    """The same, from the x axis and back to it, with the area filled."""
    path = trace(label, style, edges, values, x, y).path
    foot = f"{x.percent(edges[0]):g} 100"
    return Trace(label, style, f"M{foot}L{path.removeprefix('M')}V100", filled=True)


def _steps(
    edges: Sequence[float], values: Sequence[float | None], x: Axis, y: Axis
) -> Iterator[str]:
    joined = False
    for (left, right), value in zip(pairwise(map(x.percent, edges)), values, strict=True):
        if value is not None:
            height = round(100 - y.percent(value), 2)
            yield f"V{height:g}H{right:g}" if joined else f"M{left:g} {height:g}H{right:g}"
        joined = value is not None
