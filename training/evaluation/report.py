"""Renders a page that compares models by their evaluations.

A single HTML file that needs no network: its figures are embedded.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jinja2
from matplotlib.figure import Figure

from training.evaluation.evaluation import Data, Evaluation
from training.evaluation.figures import models_compared, png
from training.evaluation.interval import Interval


@dataclass(frozen=True)
class ReportFacts:
    """Facts shared by all models of a report."""

    title: str
    training: Data
    training_rides: int
    validation: Data
    validation_rides: int
    rule: str
    """The rule for which rides were kept."""
    seed: int
    environment: Mapping[str, str]
    """Where it ran: Python, libraries, machine."""


@dataclass(frozen=True)
class Row:
    """One model."""

    name: str
    evaluation: Evaluation
    figures: Mapping[str, Figure]
    """By name; the order is kept."""
    training_seconds: float | None = None


def report(facts: ReportFacts, rows: Sequence[Row]) -> str:
    """The HTML page, best model first."""
    ranked = sorted(rows, key=lambda row: row.evaluation.metrics.rmse_minutes)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["interval"] = _interval
    environment.filters["image"] = _image
    return environment.get_template("report.html.jinja").render(
        facts=facts,
        rows=ranked,
        compared=models_compared({row.name: row.evaluation for row in ranked}),
        captions=_CAPTIONS,
    )


_CAPTIONS: Final = {
    "calibration": "Below the diagonal, rides take less time than was predicted; above it, more.",
    "residuals": "Above 0, the prediction was too long; below it, too short.",
    "errors": "All errors; the line is their mean.",
    "rmse_by_hour": "Bars are 95 % intervals of a bootstrap over whole hours.",
    "rmse_by_borough": "Boroughs of the pickup; bars are 95 % intervals.",
    "rmse_by_distance": "Bands of the trip's distance; bars are 95 % intervals.",
    "rmse_by_pair": "Whether rides between the same two zones were in the training data.",
    "importance": "All features that follow from the same input are shuffled as one.",
}
"""By figure name; figures not listed have no caption."""


def _image(figure: Figure) -> str:
    return "data:image/png;base64," + base64.b64encode(png(figure)).decode()


def _interval(value: Interval | None, digits: int = 2) -> str:
    return "" if value is None else f"{value.low:.{digits}f} to {value.high:.{digits}f}"
