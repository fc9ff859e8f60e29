"""Reads training and validation trips from named sources, and records their lineage.

Without validation data, the last fifth of the training data is held out: a model is always
evaluated on later trips than those it was trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from infra.common.console import UserError
from training.evaluation.evaluation import Data
from trips import data
from trips.columns import Trips
from trips.data.report import DataReport
from trips.data.source import require_sensible
from trips.rules import RuleSet

HELD_OUT_SHARE: Final = 0.2
SYNTHETIC: Final = "synthetic:40000:0"
"""The default training data."""


class Lineage(msgspec.Struct, frozen=True):
    """Training and validation data of a model. `validate` is empty if a holdout was used."""

    rules: RuleSet
    train: tuple[DataReport, ...]
    validate: tuple[DataReport, ...]

    @property
    def train_name(self) -> str:
        return names_of(self.train)

    @property
    def train_sha256(self) -> tuple[str, ...]:
        return tuple(report.sha256 for report in self.train)

    def has_seen(self, other: "Validation") -> bool:
        """Whether the model was trained on any of the other's validation rides."""
        held_out = not self.validate and other.held_out_of == self.train_sha256
        if held_out and other.rules == self.rules:
            return False  # the same part was held out from both
        return bool(set(self.train_sha256) & {report.sha256 for report in other.reports})


@dataclass(frozen=True)
class Validation:
    """Trips to evaluate models on. `held_out_of`: if they are a holdout, digests of the data that
    they are the last fifth of."""

    trips: Trips
    reports: tuple[DataReport, ...]
    rules: RuleSet
    held_out_of: tuple[str, ...] | None = None

    @property
    def data(self) -> Data:
        """Name and digest, as stored in an evaluation."""
        part = "the last fifth of " if self.held_out_of else ""
        return Data(
            part + names_of(self.reports), " ".join(report.sha256 for report in self.reports)
        )


@dataclass(frozen=True)
class Datasets:
    """Training and validation trips of one training run."""

    train: Trips
    validation: Validation
    lineage: Lineage


def names_of(reports: Sequence[DataReport]) -> str:
    return ", ".join(report.source for report in reports)


def read(train: Sequence[str], validate: Sequence[str], rules: RuleSet) -> Datasets:
    """Raises `UserError` if data are missing, damaged, or too few after the rules."""
    for source in (*train, *validate):
        require_sensible(source)
    learned = data.read(train, rules)
    if validate:
        validation = read_validation(validate, rules)
        lineage = Lineage(rules, learned.reports, validation.reports)
        if lineage.has_seen(validation):
            raise UserError(
                f"{validation.data.name} is among the data to train on: a model is measured on "
                "rides that it has not seen; name other data with --validate"
            )
        return Datasets(learned.trips, validation, lineage)
    split = int(len(learned.trips) * (1 - HELD_OUT_SHARE))
    lineage = Lineage(rules, learned.reports, ())
    held_out = Validation(
        learned.trips.where(slice(split, None)), learned.reports, rules, lineage.train_sha256
    )
    return Datasets(learned.trips.where(slice(split)), held_out, lineage)


def read_validation(validate: Sequence[str], rules: RuleSet) -> Validation:
    found = data.read(validate, rules)
    return Validation(found.trips, found.reports, rules)


def validation_of(lineage: Lineage) -> Validation:
    """Reads a model's validation trips again. Raises `UserError` if the data have changed since."""
    if lineage.validate:
        again = read_validation([report.source for report in lineage.validate], lineage.rules)
    else:
        sources = [report.source for report in lineage.train]
        again = read(sources, (), lineage.rules).validation
    for before, now in zip(lineage.validate or lineage.train, again.reports, strict=True):
        if before.sha256 != now.sha256:
            raise UserError(
                f"{now.source} has changed since the model was measured on it: name the data to "
                "measure on with --validate"
            )
    return again
