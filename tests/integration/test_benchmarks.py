"""The benchmarks still measure: each table once, over as few rounds as make one."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import breakdown, cold, report, sending, verifying, warm
from tests.benchmarks.goals import GOALS

# MLflow is warned by newer pandas of what is its own to mend.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.thorough]


def test_every_goal_is_measured_and_no_prediction_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (cold, sending, warm):
        monkeypatch.setattr(module, "ROUNDS", 1)
    monkeypatch.setattr(cold, "_BATCHES", 2)
    monkeypatch.setattr(warm, "_MOTO_ROUNDS", 1)
    monkeypatch.setattr(warm, "_TAIL_CALLS", 50)
    monkeypatch.setattr(breakdown, "_ROUNDS", 1)
    monkeypatch.setattr(verifying, "COUNTS", (10_000, 20_000))
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    benchmarks.main()
    figures = json.loads((tmp_path / "summary.json").read_text())
    assert {goal.figure for goal in GOALS} <= set(figures)
    assert all(figures[goal.figure] > 0 for goal in GOALS)
    assert "| yes |" in (tmp_path / "report.md").read_text()
