"""Renders a model card in Markdown, for those who use or assess the model.

The sections follow Mitchell et al., Model Cards for Model Reporting (FAT* 2019).
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import jinja2
import msgspec

from ride_scoring.domain import slices
from training.evaluation.bootstrap import MIN_RIDES
from training.evaluation.evaluation import Data, Evaluation, SliceMetrics
from training.evaluation.importance import Importance
from training.evaluation.interval import Interval

_WEAKEST: Final = 5
_OUTSIDE: Final = frozenset({"Unknown", "EWR", "N/A"})
"""Borough names in the zone table that are not among the city's five boroughs."""


class CardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a card: the evaluation, and facts beyond it."""

    name: str
    version: str
    trained_at: datetime
    training_seconds: float
    git_commit: str
    training: Data
    training_rides: int
    rules: list[str]
    """Sentences: what holds for all rides kept."""
    hyperparameters: dict[str, str | int | float | bool | None]
    features: list[str]
    evaluation: Evaluation
    importance: Importance | None = None
    checks: list[str] = []
    """Sentences: how the model was tested before registration."""


def card(facts: CardFacts) -> str:
    """The card in Markdown."""
    environment = jinja2.Environment(  # noqa: S701 - Markdown; `cell` escapes foreign text
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    environment.filters["interval"] = _interval
    judged = [part for part in facts.evaluation.slices if part.metrics.rides >= MIN_RIDES]
    boroughs = facts.evaluation.along(slices.BOROUGH)
    return environment.get_template("card.md.jinja").render(
        facts=facts,
        evaluation=facts.evaluation,
        metrics=facts.evaluation.metrics,
        intervals=facts.evaluation.intervals,
        fewest=MIN_RIDES,
        weakest=_worst(judged, "rmse_minutes"),
        most_biased=_worst(judged, "bias_minutes"),
        boroughs=boroughs,
        fairness=_fairness(boroughs),
    )


class _Fairness(msgspec.Struct, frozen=True):
    """The boroughs with the lowest and the highest RMSE among those with enough rides."""

    best: SliceMetrics
    worst: SliceMetrics

    @property
    def ratio(self) -> float:
        return self.worst.metrics.rmse_minutes / self.best.metrics.rmse_minutes


def _fairness(boroughs: Sequence[SliceMetrics]) -> _Fairness | None:
    """None if fewer than two of the city's boroughs have enough rides, or the best has no error."""
    ranked = sorted(
        (
            part
            for part in boroughs
            if part.metrics.rides >= MIN_RIDES and part.value not in _OUTSIDE
        ),
        key=lambda part: part.metrics.rmse_minutes,
    )
    if len(ranked) < 2 or not ranked[0].metrics.rmse_minutes:
        return None
    return _Fairness(ranked[0], ranked[-1])


def _worst(parts: Sequence[SliceMetrics], metric: str) -> list[SliceMetrics]:
    ranked = sorted(parts, key=lambda part: abs(getattr(part.metrics, metric)), reverse=True)
    return ranked[:_WEAKEST]


def _cell(value: object) -> str:
    """Text escaped for a table cell, without HTML."""
    text = " ".join(str(value).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _interval(value: Interval | None, digits: int = 2) -> str:
    return (
        "too few rides" if value is None else f"{value.low:.{digits}f} to {value.high:.{digits}f}"
    )
