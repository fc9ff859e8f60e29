import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from infra.common.console import UserError
from operations.plan import measured, prices
from operations.plan.prices import Tier, tiered

TIERS = (Tier(0.30, 10.0), Tier(0.10, 20.0), Tier(0.05))


@pytest.mark.parametrize(
    ("quantity", "usd"),
    [(0, 0), (4, 1.20), (10, 3.00), (15, 3.00 + 0.50), (20, 4.00), (30, 4.00 + 0.50)],
)
def test_each_tier_has_its_own_price(quantity: float, usd: float) -> None:
    assert tiered(quantity, TIERS) == pytest.approx(usd)


def test_the_prices_have_a_region_a_day_and_a_page_each() -> None:
    found = prices.read()
    assert found.region == "us-east-1"
    assert found.known_as_of.year >= 2026
    tables = tomllib.loads(prices.PRICES.read_text()).values()
    services = [table for table in tables if isinstance(table, dict)]
    assert len(services) == 6
    assert all(table["source"].startswith("https://aws.amazon.com/") for table in services)


def test_an_arm_second_costs_a_fifth_less() -> None:
    function = prices.read().function
    ratio = function.arm64.gb_second[0].price / function.x86_64.gb_second[0].price
    assert ratio == pytest.approx(0.8, abs=1e-3)


def changed(tmp_path: Path, pattern: str, replacement: str) -> Path:
    text, count = re.subn(pattern, replacement, prices.PRICES.read_text(), count=1)
    assert count
    (path := tmp_path / "prices.toml").write_text(text)
    return path


@pytest.mark.parametrize(
    ("pattern", "replacement", "said"),
    [
        (r"shard_hour = .*", 'shard_hour = "cheap"', r"\$\.kinesis\.shard_hour"),
        (r"shard_hour = .*", "shard_hour = -1", r"\$\.kinesis\.shard_hour"),
        (r"shard_hour = .*", "shard_hour = nan", r"\$\.kinesis\.shard_hour"),
        (r"shard_hour = .*", "", "shard_hour"),
        (r"shard_hour = .*", "shard_hour = = 1", "line"),
        (r"shard_hour = .*", "shard_hour = 1\nshard_day = 1", "shard_day"),
        (r"known_as_of = .*", 'known_as_of = "lately"', "known_as_of"),
        (r"source = .*", 'source = "hearsay"', "source"),
        (r"up_to = 15e9", "up_to = 5e9", "each ends above the one before"),
    ],
)
def test_damaged_prices_are_named(
    tmp_path: Path, pattern: str, replacement: str, said: str
) -> None:
    path = changed(tmp_path, pattern, replacement)
    with pytest.raises(UserError, match=said) as caught:
        prices.read(path)
    assert str(path) in str(caught.value)


def test_prices_that_are_missing_or_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml holds no prices"):
        prices.read(tmp_path / "nowhere.toml")
    (path := tmp_path / "prices.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="holds no prices"):
        prices.read(path)


def test_a_batch_and_a_ride_cost_what_the_benchmarks_say() -> None:
    """The line through batches of 100 and 1,000 gives both of them back."""
    cpu = measured.read().cpu
    linear_ride_us = cpu.linear_us_at_1000 - cpu.batch_ms
    for rides, microseconds in ((100, cpu.linear_us_at_100), (1000, cpu.linear_us_at_1000)):
        assert cpu.batch_ms * 1000 / rides + linear_ride_us == pytest.approx(microseconds)
    ride_ms = cpu.ride_ms(aggregated=False, shadow=False)
    assert cpu.batch_ms + 1000 * ride_ms == pytest.approx(cpu.trees_us_at_1000)


def test_the_measured_figures_are_those_of_the_benchmarks() -> None:
    page = (measured.MEASURED.parents[2] / "docs" / "benchmarks.md").read_text()
    warm = page.partition("## Warm: CPU a record on one core")[2].partition("\n## ")[0]
    cpu = measured.read().cpu

    def microseconds(function: str, batch: str) -> float:
        row: Any = re.search(rf"^\| {function} \| {batch} \| ([\d.]+)", warm, re.MULTILINE)
        return float(row[1])

    assert cpu.linear_us_at_100 == microseconds("ours", "100")
    assert cpu.linear_us_at_1000 == microseconds("ours", "1,000")
    assert cpu.kpl_us_at_1000 == microseconds("ours, kpl", "1,000")
    assert cpu.trees_us_at_1000 == microseconds("ours, trees compiled", "1,000")


def test_measured_figures_that_are_damaged_are_named(tmp_path: Path) -> None:
    (path := tmp_path / "measured.toml").write_text("[cpu]\nlinear_us_at_100 = 0")
    with pytest.raises(UserError, match="holds no measured figures"):
        measured.read(path)
