"""Reads named sources, applies the rules and returns trips in order of pickup, with reports."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from infra.common.console import UserError
from trips.columns import Trips, concatenated
from trips.data.report import DataReport, report_on
from trips.data.source import canonical_name, open_source
from trips.rules import RULES, RuleSet, apply
from trips.tlc import of_records

FEWEST_TRIPS: Final = 200
"""Fewer are not enough to train on, or to evaluate on."""


@dataclass(frozen=True)
class TrainingData:
    """Trips in order of pickup, and a report on each source, in the order given."""

    trips: Trips
    reports: tuple[DataReport, ...]

    @property
    def name(self) -> str:
        """The sources, as in "green/2023-01, green/2023-02"."""
        return ", ".join(report.source for report in self.reports)

    @property
    def sha256(self) -> str:
        """Digest of the sources' digests, in order."""
        digests = "\n".join(report.sha256 for report in self.reports)
        return hashlib.sha256(digests.encode()).hexdigest()


def read(
    sources: Sequence[str], rules: RuleSet = "function", *, folder: Path | None = None
) -> TrainingData:
    """Reads the trips of all sources that the rules keep.

    Downloads go to the folder, by default `cache.folder()`. Trips with the same pickup stay in the
    order of their sources. Raises `UserError`, also if fewer than `FEWEST_TRIPS` trips are left.
    """
    read_ones = [_read_one(name, folder, rules) for name in _distinct(sources)]
    reports = tuple(report for _, report in read_ones)
    _require_other_content(reports)
    data = TrainingData(_in_order([trips for trips, _ in read_ones]), reports)
    if len(data.trips) < FEWEST_TRIPS:
        raise UserError(_too_few(data))
    return data


def reports_on(sources: Sequence[str], rules: RuleSet = "function") -> tuple[DataReport, ...]:
    """Reports on each source, however few trips the rules keep. Raises `UserError`."""
    return tuple(_read_one(name, None, rules)[1] for name in _distinct(sources))


def _distinct(sources: Sequence[str]) -> list[str]:
    names = [canonical_name(source) for source in sources]
    if not names:
        raise UserError("no trips are named: give a month such as 2023-01, or a parquet file")
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{name} is named twice: its trips would count twice; name it once")
    return names


def _require_other_content(reports: Sequence[DataReport]) -> None:
    """Rejects duplicate sources: a ride's target would leak through its duplicate's encoding."""
    names: dict[str, str] = {}
    for report in reports:
        if report.sha256 in names:
            raise UserError(
                f"{names[report.sha256]} and {report.source} hold the same trips, which would "
                "count twice; name one of them"
            )
        names[report.sha256] = report.source


def _read_one(name: str, folder: Path | None, rules: RuleSet) -> tuple[Trips, DataReport]:
    source = open_source(name, folder)
    kept, counts = apply(RULES[rules], source.records)
    return of_records(source.records, kept), report_on(source, kept, counts)


def _in_order(parts: Sequence[Trips]) -> Trips:
    whole = concatenated(parts)
    return whole.where(np.argsort(whole.pickup, kind="stable"))


def _too_few(data: TrainingData) -> str:
    rows = sum(report.rows for report in data.reports)
    dropped: dict[str, int] = {}
    for rule in (rule for report in data.reports for rule in report.rules):
        dropped[rule.reason] = dropped.get(rule.reason, 0) + rule.dropped
    reason, most = max(dropped.items(), key=lambda item: item[1])
    why = f"{most:,} have a {reason}, and " if most else ""
    return (
        f"{data.name} has {len(data.trips):,} usable trips of {rows:,}: {why}at least "
        f"{FEWEST_TRIPS} must be left; name more trips"
    )
