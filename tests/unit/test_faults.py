"""Which rides have which fault: as many as were asked for."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.common.console import UserError
from ride_scoring.decode import decode
from ride_scoring.errors import CannotScore
from ride_scoring.streams import kpl
from stream_sim.traffic import faults


@pytest.mark.parametrize("kind", sorted(faults.MALFORMED))
def test_every_malformed_kind_is_rejected_for_the_reason_that_it_stands_for(kind: str) -> None:
    reason, fault = faults.MALFORMED[kind]
    with pytest.raises(CannotScore) as caught:
        decode(fault("ride-1"))
    assert caught.value.reason == reason


def drawn(rides: int, rates: faults.Rates, seed: int = 1) -> Counter[str | None]:
    """How many of so many rides have each fault."""
    found: Counter[str | None] = Counter()
    for kind, size in faults.draw(rates, np.random.default_rng(seed)):
        found[kind] += size
        if found.total() >= rides:
            return found
    raise AssertionError


@given(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=7), st.integers(0, 9))
def test_each_kind_has_its_share_of_all_rides(weights: list[float], seed: int) -> None:
    kinds = [faults.AGGREGATED, *faults.KINDS[:6]]
    rates = {kind: weight / sum(weights) for kind, weight in zip(kinds, weights[1:], strict=False)}
    rides = 40_000
    found = drawn(rides, rates, seed)
    for kind, rate in rates.items():
        # An aggregate is drawn for 11 rides at a time, so it is off by more: six deviations.
        assert abs(found[kind] / found.total() - rate) < 6 * (11 * rate / rides) ** 0.5 + 1e-3


def test_where_every_ride_has_a_fault_none_is_without() -> None:
    rates = faults.parse(["late=0.5", "aggregated=0.25"], malformed=0.25)
    assert sum(rates.values()) == pytest.approx(1.0)
    assert None not in drawn(50_000, rates)
    assert set(drawn(1_000, {})) == {None}


def test_malformed_is_any_malformed_kind_and_adds_to_its_own_rate() -> None:
    rates = faults.parse(["zone-0=0.5", "late=.1"], malformed=0.09)
    assert rates["zone-0"] == pytest.approx(0.51)
    assert rates["empty"] == pytest.approx(0.01)
    assert rates["late"] == 0.1
    assert faults.parse(["late=0"], malformed=0) == {}


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (["lat=0.1"], "--fault 'lat' is not known: did you mean late?"),
        (["cut off=0.1"], "did you mean cut-off?"),
        (["late"], "--fault late: write late=RATE, from 0 to 1"),
        (["late=often"], "write late=RATE, from 0 to 1"),
        (["late=1.01"], "write late=RATE, from 0 to 1"),
        (["late=-0.1"], "write late=RATE, from 0 to 1"),
        (["late=nan"], "write late=RATE, from 0 to 1"),
        (["late=0.1", "late=0.2"], "--fault late is given twice"),
        (["late=0.6", "huge=0.5"], r"--malformed \(0\) add up to 1\.1, but no ride has"),
    ],
)
def test_a_fault_that_is_none_is_named(texts: list[str], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        faults.parse(texts, malformed=0.0)


def test_whatever_is_damaged_is_still_taken_for_an_aggregate_and_is_none() -> None:
    whole = kpl.pack([("a", b"one"), ("b", b"two")], "7")
    rng = np.random.default_rng(1)
    damaged = [faults.damaged(whole, rng) for _ in range(500)]
    assert {len(data) < len(whole) for data in damaged} == {True, False}
    for data in damaged:
        assert kpl.is_aggregated(data)
        with pytest.raises(kpl.DamagedAggregate):
            kpl.user_records(data)


def test_groups_are_of_2_to_20_rides() -> None:
    draws = faults.draw({faults.AGGREGATED: 1.0}, np.random.default_rng(1))
    assert {size for _, size in itertools.islice(draws, 2_000)} == set(range(2, 21))
