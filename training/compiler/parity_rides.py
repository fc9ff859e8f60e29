"""Rides on which a compiled model could differ from its source.

Drawn with a fixed seed: typical city rides, all zone pairs, the limits of valid rides, both sides
of every split of every tree, and missing or impossible values.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from ride_scoring.domain import features
from ride_scoring.domain.events import FIRST_ZONE, LAST_ZONE, MAX_DISTANCE_MILES, Ride
from ride_scoring.fields import rows
from ride_scoring.models.inputs import ModelInputs
from training.compiler.columns import Floats, Step
from training.compiler.converters import Converted
from training.compiler.regressors import Ensemble
from training.compiler.trees import Tree
from trips.profile.drawn import synthetic

RIDDEN: Final = 20_000
_SEED: Final = 20_230_201
_FIRST_HOUR: Final = datetime(2023, 1, 2)  # noqa: DTZ001 - New York's local time, a Monday
_WEEK_HOURS: Final = 24 * 7
_MOST_SPLIT_RIDES: Final = 40_000
"""A forest can have a million splits: then a sample is drawn."""
_LARGEST: Final = float(np.finfo(np.float32).max)
"""Trees reject larger values. A threshold may be infinite: only missing values pass it."""
_ODD: Final = (-1.0, -0.0, 0.5, 1.5, 130_205.5, 2.0**53, 1e18, -1e18)
_BEYOND: Final = (1e300, -1e300, np.inf, -np.inf)


@dataclass(frozen=True)
class Asked:
    """Rides of one group, shape (n, k), and as dicts for a source that takes those.

    `refusable`: what is odd about them, if the source may reject them. `splits`: the number of tree
    splits that they lie on.
    """

    group: str
    matrix: Floats
    dicts: list[dict[str, object]] | None = None
    refusable: str | None = None
    splits: int = 0


def asked(converted: Converted, takes: ModelInputs) -> Iterator[Asked]:
    """All rides to compare, group by group."""
    rng = np.random.default_rng(_SEED)
    ridden = _of_rides("ridden", converted, synthetic(RIDDEN, _SEED).rides(), takes)
    yield ridden
    yield _of_rides("every pair of zones", converted, _all_pairs(rng), takes)
    yield _of_rides("edges", converted, _edges(), takes)
    if converted.ensemble is not None:
        yield from _at_splits(converted, converted.ensemble, ridden.matrix, rng)
    for index, keys in converted.categories.items():
        if takes.shape == "matrix":
            yield _beside_categories(ridden, index, keys)
    for index, field in enumerate(takes.fields):
        if not field.is_text:  # any text is valid
            yield from _odd_values(ridden, index, field.name)


def _of_rides(group: str, converted: Converted, rides: Sequence[Ride], takes: ModelInputs) -> Asked:
    arrived_at = [0.0] * len(rides)
    matrix = features.matrix(converted.features, rides, arrived_at)
    if takes.shape == "matrix":
        return Asked(group, matrix)
    return Asked(group, matrix, rows(features.columns(takes.fields, rides, arrived_at)))


def _all_pairs(rng: np.random.Generator) -> list[Ride]:
    """One ride for each zone pair, including the numbers just outside the range of zones."""
    zones = range(FIRST_ZONE - 1, LAST_ZONE + 2)
    pairs = list(itertools.product(zones, zones))
    miles = rng.lognormal(1.0, 1.0, size=len(pairs)).round(2).tolist()
    hours = rng.integers(0, _WEEK_HOURS, size=len(pairs)).tolist()
    return [
        Ride(pickup, dropoff, distance, _FIRST_HOUR + timedelta(hours=hour))
        for (pickup, dropoff), distance, hour in zip(pairs, miles, hours, strict=True)
    ]


def _edges() -> list[Ride]:
    zones = (FIRST_ZONE - 1, FIRST_ZONE, LAST_ZONE, LAST_ZONE + 1)
    miles = (0.0, 5e-324, 0.01, MAX_DISTANCE_MILES)
    hours = (day * 24 + hour for day in range(7) for hour in (0, 23))
    return [
        Ride(pickup, dropoff, distance, _FIRST_HOUR + timedelta(hours=hour))
        for pickup, dropoff, distance, hour in itertools.product(zones, zones, miles, hours)
    ]


def _beside_categories(ridden: Asked, index: int, keys: Floats) -> Asked:
    """Numbers adjacent to a category are not categories."""
    values = np.concatenate([keys, np.nextafter(keys, -np.inf), np.nextafter(keys, np.inf)])
    rows = _rows(ridden.matrix, len(values))
    rows[:, index] = values
    missing = np.isnan(values)
    return Asked("categories", rows[~missing])


def _odd_values(ridden: Asked, index: int, name: str) -> Iterator[Asked]:
    for value in (np.nan, *_ODD, *_BEYOND):
        group = "missing values" if np.isnan(value) else "values that no ride has"
        what = f"no {name}" if np.isnan(value) else f"a {name} of {value}"
        matrix = _rows(ridden.matrix, 100)
        matrix[:, index] = value
        dicts = ridden.dicts and [ride | {name: value} for ride in ridden.dicts[:100]]
        yield Asked(group, matrix, dicts, what)


def _rows(matrix: Floats, count: int) -> Floats:
    """The first `count` rows, repeated if there are fewer."""
    return matrix[np.arange(count) % len(matrix)].copy()


# Both sides of every split: a ride is steered to it through the tree, then set on its threshold.


def _drawn(ensemble: Ensemble) -> list[tuple[Tree, int]]:
    """The splits to test: all, or a sample across all trees if there are too many."""
    every = [(tree, node) for tree in ensemble.trees for node in tree.splits.tolist()]
    most = _MOST_SPLIT_RIDES // (12 if ensemble.single else 3)
    if len(every) <= most:
        return every
    chosen = np.random.default_rng(_SEED).choice(len(every), size=most, replace=False)
    return [every[index] for index in np.sort(chosen)]


def _at_splits(
    converted: Converted, ensemble: Ensemble, base: Floats, rng: np.random.Generator
) -> Iterator[Asked]:
    parents = {id(tree): _parents(tree) for tree in ensemble.trees}
    on: list[Floats] = []
    missing: list[list[Floats]] = [[] for _ in converted.features]
    drawn = _drawn(ensemble)
    starts = rng.integers(0, len(base), size=len(drawn))
    for (tree, node), start in zip(drawn, starts, strict=True):
        row = _led(ensemble, tree, _way(parents[id(tree)], node), base[start])
        if row is None:
            continue
        column = ensemble.columns[int(tree.column[node])]
        values = column.around(_step(tree, node, true=True), single=ensemble.single)
        values = values[np.abs(values) < _LARGEST]
        rows = np.tile(row, (len(values), 1))
        rows[:, column.feature] = values
        on.append(rows)
        missing[column.feature].append(row)
    if on:
        yield Asked("thresholds", np.concatenate(on), splits=len(on))
    for index, led in enumerate(missing):
        if led:
            matrix = np.array(led)
            matrix[:, index] = np.nan
            yield Asked("missing values", matrix, refusable=f"no {converted.features[index]}")


def _parents(tree: Tree) -> dict[int, tuple[int, bool]]:
    """Each node's parent split, and whether it is on the true branch."""
    nodes = tree.splits.tolist()
    return {int(tree.true[node]): (node, True) for node in nodes} | {
        int(tree.false[node]): (node, False) for node in nodes
    }


def _way(parents: dict[int, tuple[int, bool]], node: int) -> list[tuple[int, bool]]:
    way = []
    while node in parents:
        way.append(parents[node])
        node = parents[node][0]
    return way


def _step(tree: Tree, node: int, *, true: bool) -> Step:
    members = tree.members.get(node)
    return Step(float(tree.threshold[node]), None if members is None else frozenset(members), true)


def _led(
    ensemble: Ensemble, tree: Tree, way: Sequence[tuple[int, bool]], start: Floats
) -> Floats | None:
    """The ride closest to `start` that takes this path; None if none can."""
    steps: dict[int, list[Step]] = {}
    for node, true in way:
        steps.setdefault(int(tree.column[node]), []).append(_step(tree, node, true=true))
    row = start.copy()
    for index, on_column in steps.items():
        column = ensemble.columns[index]
        value = column.reach(on_column, float(row[column.feature]))
        if value is None:
            return None
        row[column.feature] = value
    return row
