"""Draws pickups by taxi zone as a small map of the city with busy zones bright.

Only the zones' centres are known, so each point of the map belongs to the nearest one, or to none
if that is far: such points are water.
"""

import functools
import math
from collections.abc import Sequence
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.style import Style
from rich.text import Text

from ride_scoring.domain import zones
from ride_scoring.domain.events import LAST_ZONE

_REACH_MILES: Final = 1.0
_COLD: Final = (38, 50, 64)
_WARM: Final = (190, 60, 110)
_HOT: Final = (255, 214, 102)
_STEPS: Final = 24
_HALF_BLOCK: Final = "▀"
"""The foreground colour fills the upper half of a character cell, the background the lower."""


def city(pickups: Sequence[int], width: int, height: int) -> Text:
    """Draws `height` lines of at most `width` characters; `pickups` has one count per zone."""
    most = max(1, *pickups)
    warmth = [round(_STEPS * math.log1p(count) / math.log1p(most)) for count in pickups]
    rows = _zones_at(width, height)
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        cells = [
            (warmth[a] if a else None, warmth[b] if b else None)
            for a, b in zip(upper, lower, strict=True)
        ]
        line = Text()
        for (ink, ground), run in groupby(cells):
            line.append(*_drawn(ink, ground, sum(1 for _ in run)))
        lines.append(line)
    return Text("\n").join(lines)


def _drawn(ink: int | None, ground: int | None, length: int) -> tuple[str, Style]:
    if ink is None and ground is None:
        return " " * length, Style()
    if ink is None:
        return "▄" * length, Style(color=_colour(ground))
    return _HALF_BLOCK * length, Style(color=_colour(ink), bgcolor=_colour(ground))


@functools.cache
def _colour(step: int | None) -> Color | None:
    if step is None:
        return None
    share = step / _STEPS
    low, high, between = (_COLD, _WARM, 2 * share) if share < 0.5 else (_WARM, _HOT, 2 * share - 1)
    return Color.from_rgb(*(a + (b - a) * between for a, b in zip(low, high, strict=True)))


@functools.lru_cache(maxsize=8)
def _zones_at(width: int, height: int) -> list[list[int]]:
    """The zone at each point, 0 for none; two rows per line, because points are square."""
    numbers = np.arange(LAST_ZONE + 1, dtype=np.float64)
    numbers = numbers[zones.has_place(numbers)]
    east, north = zones.miles_east(numbers), zones.miles_north(numbers)
    mile = max(np.ptp(east) / max(width - 2, 1), np.ptp(north) / max(2 * height - 2, 1))
    columns = _middle(east) + mile * (np.arange(width) - (width - 1) / 2)
    rows = _middle(north) - mile * (np.arange(2 * height) - (2 * height - 1) / 2)
    away = np.hypot(
        columns[None, :, None] - east[None, None, :], rows[:, None, None] - north[None, None, :]
    )
    nearest = np.where(away.min(axis=2) <= max(_REACH_MILES, mile), numbers[away.argmin(axis=2)], 0)
    points: list[list[int]] = nearest.astype(np.int64).tolist()
    return points


def _middle(places: NDArray[np.float64]) -> float:
    return float(places.min() + places.max()) / 2
