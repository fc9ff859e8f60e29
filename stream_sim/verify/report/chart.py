"""Values over bins in, the lines of one chart out: what the template needs to know of it.

The lines are small SVG paths that stretch with the page, and their labels are the page's own text:
a figure of matplotlib's would shrink its letters with itself on a narrow screen.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from stream_sim.verify.report.axis import Axis


class Trace(msgspec.Struct, frozen=True):
    """A line; `style` is a class of the sheet, `filled` whether the area in it is drawn as well."""

    label: str
    style: str
    path: str
    filled: bool = False


class Mark(msgspec.Struct, frozen=True):
    """A vertical line at `percent` of the x axis."""

    percent: float
    label: str


class Chart(msgspec.Struct, frozen=True):
    """`key` is unique in the page; `says` is one or two sentences for who cannot see it."""

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
    """A step over each bin, broken where a bin has no value.

    `edges` has one number more than `values`: a bin lies between two neighbours.
    """
    return Trace(label, style, "".join(_steps(edges, values, x, y)))


def filled(
    label: str, style: str, edges: Sequence[float], values: Sequence[float], x: Axis, y: Axis
) -> Trace:
    """The same, from the x axis and back to it, with the area between."""
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
