import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.common.console import UserError
from infra.common.paths import ROOT
from operations.plan import command, drawing
from operations.plan.basis import Traffic
from operations.plan.plan import plan
from tests.plans import basis, deployment

PNG = b"\x89PNG\r\n\x1a\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "operations", "plan", *arguments],
        cwd=ROOT,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def written(tmp_path: Path, text: str = "") -> str:
    (path := tmp_path / "some.tfvars").write_text(text)
    return str(path)


def test_a_plan_is_a_bill_a_sentence_and_a_picture(tmp_path: Path) -> None:
    done = run("--rides-per-second", "50", "--tfvars", written(tmp_path), "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    for said in (
        "Kinesis events, shards",
        "Lambda duration",
        "payload units, predictions",
        "The first limit is records into the events stream's shards, at 1,000 rides/s.",
        "raise events_shards: one for every 1,000 rides/s",
        "no free tier",
    ):
        assert said in done.stdout
    title, *bill = done.stdout.partition("The first limit")[0].splitlines()
    assert title.endswith("some.tfvars at 50 rides/s")
    assert max(map(len, bill)) <= 80
    assert "…" not in done.stdout
    assert (tmp_path / "some.png").read_bytes().startswith(PNG)


def test_the_readme_shows_what_a_plan_says(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command, *shown = readme.partition("$ python -m operations plan ")[2].splitlines()
    done = run(*command.split(), "--out", str(tmp_path))
    said = [line.rstrip() for line in done.stdout.splitlines()]
    lines = shown[: shown.index("```")]
    assert len(lines) > 5
    assert [line for line in lines if line not in said] == []


def test_a_plan_as_json_adds_up(tmp_path: Path) -> None:
    done = run(
        *("--rides-per-second", "2500", "--tfvars", written(tmp_path, "predictions_shards = 9")),
        *("--out", str(tmp_path), "--json"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    made: dict[str, Any] = json.loads(done.stdout)
    assert set(made) == {
        *("rides_per_second", "tfvars", "region", "prices_known_as_of", "total", "items"),
        *("payload_units", "batch", "needs", "carried", "above_headroom"),
        *("changes", "first_limit", "limits"),
    }
    assert sum(item["usd"] for item in made["items"]) == pytest.approx(made["total"]["month_usd"])
    assert [units["stream"] for units in made["payload_units"]] == ["events", "predictions"]
    assert all(units["aggregated"] < units["one_each"] for units in made["payload_units"])
    assert made["carried"] is False
    assert made["changes"] == ["events_shards = 4"]
    assert made["first_limit"] == made["limits"][0]
    rates = [limit["rides_per_second"] for limit in made["limits"]]
    assert rates == sorted(rates)
    assert set(made["needs"]) == {
        *("headroom", "events_shards", "predictions_shards", "parallelization_factor"),
        *("concurrency_busy", "concurrency_at_once", "utilisation"),
    }


@pytest.mark.parametrize("rides", [0.0, -1.0, float("nan"), float("inf"), 1_000_001.0])
def test_a_rate_that_cannot_be_planned_for_is_one_sentence(tmp_path: Path, rides: float) -> None:
    with pytest.raises(
        UserError, match=r"--rides-per-second is .*: plans are made for more than 0"
    ):
        command.run(rides, Path(written(tmp_path)), Traffic(), tmp_path, as_json=True)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rides-per-second", "0"), "plans are made for more than 0 and up to 1,000,000"),
        (("--tfvars", "nowhere.tfvars"), "nowhere.tfvars does not exist"),
        (("--out", "/proc/nowhere"), "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_1(
    tmp_path: Path, arguments: tuple[str, str], said: str
) -> None:
    done = run("--tfvars", written(tmp_path), "--out", str(tmp_path), *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.thorough
def test_packed_rides_are_not_planned_where_fan_out_would_drop_them(tmp_path: Path) -> None:
    tfvars = written(tmp_path, "enhanced_fan_out = true")
    options = "--tfvars", tfvars, "--out", str(tmp_path)
    refused = run(*options, "--aggregate-input")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "some.tfvars sets enhanced_fan_out, with which Lambda drops the rides" in refused.stderr
    assert run(*options).returncode == 0


def test_a_share_of_rejects_is_from_0_to_1() -> None:
    done = run("--rejects", "1.5")
    assert done.returncode == 2
    assert "--rejects" in done.stderr


def test_the_picture_has_a_line_for_each_way_to_deploy_and_a_mark_for_each_limit() -> None:
    made = plan(100, "some.tfvars", deployment(), basis())
    figure = drawing.draw(made, deployment(), basis())
    month, million = figure.axes
    for axes in (month, million):
        labels = [line.get_label() for line in axes.get_lines() if "rides" not in str(line)]
        assert sum(str(label).startswith(("shards", "on-demand")) for label in labels) == 4
        assert axes.get_xlim() == (1, 1_000_000)
    notes = figure.texts[0].get_text()
    within = [limit for limit in made.limits if limit.rides_per_second <= 1_000_000]
    assert all(f"{limit.rides_per_second:,.0f} rides/s   {limit.name}" in notes for limit in within)
    assert drawing.png(figure).startswith(PNG)


def test_a_deployment_beyond_its_limit_is_told_what_to_set() -> None:
    made = plan(5_000, "some.tfvars", deployment(), basis())
    assert made.sentence == (
        "5,000 rides/s are more than this carries. The first limit is records into the events "
        "stream's shards, at 1,000 rides/s. Set events_shards = 7, predictions_shards = 7."
    )


def test_a_deployment_above_its_headroom_is_told_what_leaves_room() -> None:
    made = plan(4_000, "some.tfvars", deployment(events_shards=4, predictions_shards=5), basis())
    assert made.carried
    assert made.sentence == (
        "The first limit is records into the events stream's shards, at 4,000 rides/s. At 4,000 "
        "rides/s the events stream is used at 100%, above the 80% that leave room for uneven "
        "seconds: set events_shards to 5."
    )
