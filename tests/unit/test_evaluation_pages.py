import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import matplotlib as mpl
import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure

from training.evaluation.card import CardFacts, card
from training.evaluation.evaluation import Data, Evaluation, evaluate
from training.evaluation.figures import figures, models_compared, png
from training.evaluation.importance import Importance, Increase
from training.evaluation.metrics import Minutes
from training.evaluation.report import ReportFacts, Row, report
from trips.columns import Trips
from trips.profile import drawn

DATA = Data("green_tripdata_2023-02.parquet", "5c" * 32)
IMPORTANCE = Importance({"hour": Increase(0.5, 0.1)}, {"pickup time": Increase(0.5, 0.1)})
HOSTILE = "<script>alert('$x_1$')</script> | \" {{ 7 * 7 }}"


@pytest.fixture(scope="module")
def ridden() -> Trips:
    return drawn.synthetic(3_000, 5)


@pytest.fixture(scope="module")
def predicted(ridden: Trips) -> Minutes:
    return ridden.distance_miles * 4.5 + 1


@pytest.fixture(scope="module")
def evaluation(ridden: Trips, predicted: Minutes) -> Evaluation:
    return evaluate(ridden, predicted, np.arange(3_000) % 9 > 0, DATA, 1)


def _facts(evaluation: Evaluation, **changes: Any) -> CardFacts:
    facts = CardFacts(
        name="ride-duration",
        version="3",
        trained_at=datetime(2023, 3, 1, 12, tzinfo=UTC),
        training_seconds=4.2,
        git_commit="0123abc",
        training=Data("green_tripdata_2023-01.parquet", "4b" * 32),
        training_rides=65_910,
        rules=["Rides of less than 1 or more than 60 minutes."],
        hyperparameters={"max_iter": 200},
        features=["PU_DO", "hour"],
        evaluation=evaluation,
        importance=IMPORTANCE,
    )
    return msgspec.structs.replace(facts, **changes)


def _report(evaluation: Evaluation, name: str, drawn: dict[str, Figure] | None = None) -> str:
    facts = ReportFacts("Models", DATA, 9_000, DATA, 3_000, "1 to 60 min", 0, {"Python": "3.13"})
    return report(facts, [Row(name, evaluation, drawn or {})])


class _Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.tags[-1:] == ["h2"] and data.strip():
            self.headings.append(data)


def test_every_figure_can_be_drawn_and_names_its_units(
    ridden: Trips, predicted: Minutes, evaluation: Evaluation
) -> None:
    before = dict(mpl.rcParams)
    drawn = figures(ridden.duration_minutes, predicted, evaluation, IMPORTANCE)
    assert {"calibration", "residuals", "errors", "rmse_by_hour", "importance"} <= set(drawn)
    for name, figure in drawn.items():
        axes = figure.axes[0]
        assert axes.get_title(loc="left"), name
        assert "(minutes)" in axes.get_xlabel() + axes.get_ylabel(), name
        assert png(figure).startswith(b"\x89PNG"), name
    assert dict(mpl.rcParams) == before


def test_figures_can_be_drawn_of_few_rides_that_are_all_alike() -> None:
    ridden = drawn.synthetic(3, 1)
    same = np.full(3, 6.0)
    found = evaluate(ridden, same, np.ones(3, dtype=np.bool_), DATA, 1)
    for figure in figures(same, same, found).values():
        assert png(figure)
    assert png(models_compared({HOSTILE: found}))


def test_the_report_is_one_file_with_all_figures_in_it(
    ridden: Trips, predicted: Minutes, evaluation: Evaluation
) -> None:
    drawn = figures(ridden.duration_minutes, predicted, evaluation)
    drawn = {name: drawn[name] for name in ("residuals", "rmse_by_hour")}
    page = _Page(_report(evaluation, "linear", drawn))
    assert page.tags.count("img") == len(drawn) + 1
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in page.links)
    assert f"{evaluation.metrics.rmse_minutes:.3f}" in page.text


def test_the_report_escapes_a_name(evaluation: Evaluation) -> None:
    page = _Page(_report(evaluation, HOSTILE))
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) == 2


def test_the_report_puts_the_best_model_first(ridden: Trips, evaluation: Evaluation) -> None:
    better = evaluate(ridden, ridden.duration_minutes, np.ones(3_000, dtype=np.bool_), DATA, 1)
    facts = ReportFacts("Models", DATA, 9_000, DATA, 3_000, "all", 0, {})
    page = _Page(report(facts, [Row("straight", evaluation, {}), Row("oracle", better, {})]))
    assert page.headings == ["Models", "oracle", "straight"]


def test_the_card_says_what_was_measured(evaluation: Evaluation) -> None:
    text = card(_facts(evaluation))
    rmse = evaluation.intervals["rmse_minutes"]
    assert (
        f"| RMSE | {evaluation.metrics.rmse_minutes:.2f} min | {rmse.low:.2f} to {rmse.high:.2f} |"
    ) in text
    assert "4b" * 32 in text
    assert "0123abc" in text
    assert "| max_iter | 200 |" in text
    assert "{{" not in text


def test_the_card_names_the_weakest_slice_first(evaluation: Evaluation) -> None:
    judged = [part for part in evaluation.slices if part.metrics.rides >= 100]
    worst = max(judged, key=lambda part: part.metrics.rmse_minutes)
    [first] = re.findall(r"By RMSE:.*?---: \|\n\| (.*?) \|", card(_facts(evaluation)), re.DOTALL)
    assert first == f"{worst.dimension}: {worst.value}"


def test_the_card_says_how_far_the_boroughs_are_apart(evaluation: Evaluation) -> None:
    city = {"Manhattan", "Bronx", "Brooklyn", "Queens", "Staten Island"}
    rmse = [
        part.metrics.rmse_minutes
        for part in evaluation.along("pickup borough")
        if part.metrics.rides >= 100 and part.value in city
    ]
    assert f"the ratio is {max(rmse) / min(rmse):.2f}" in card(_facts(evaluation))


def test_the_tables_of_the_card_hold_together_whatever_they_name(evaluation: Evaluation) -> None:
    text = card(_facts(evaluation, hyperparameters={HOSTILE: "a|b\nc"}, name=HOSTILE))
    assert "<script" not in text
    cells = [
        len(re.findall(r"(?<!\\)\|", line))
        for line in text.split("| hyperparameter |")[1].splitlines()[1:3]
    ]
    assert cells == [3, 3]


def test_every_table_of_the_card_has_rows_as_wide_as_its_head(evaluation: Evaluation) -> None:
    blocks = [block for block in card(_facts(evaluation)).split("\n\n") if block.startswith("|")]
    assert len(blocks) >= 7
    for block in blocks:
        lines = block.strip().splitlines()
        assert re.fullmatch(r"\|( -+:? \|)+", lines[1]), block
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, block
