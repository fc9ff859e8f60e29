"""When rides arrive: as many as were asked for, in order, at the rate that the shapes say."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.common.console import UserError
from stream_sim.traffic import shapes
from stream_sim.traffic.arrivals import Arrivals, Times, in_blocks, until

EVEN = np.full(24, 1 / 24)
BY_HOUR = np.array([1.0, *[2.0] * 11, *[6.0] * 12]) / 95.0

FACTORS = st.floats(0.1, 10.0)
SECONDS = st.floats(0.5, 60.0)
ANY_SHAPES = st.lists(
    st.one_of(
        st.just(shapes.Constant()),
        st.just(shapes.Poisson()),
        st.builds(shapes.Ramp, FACTORS, FACTORS, SECONDS),
        st.builds(shapes.Steps, FACTORS, FACTORS, FACTORS, SECONDS),
        st.builds(shapes.Burst, FACTORS, st.floats(0.1, 0.4), SECONDS),
        st.builds(shapes.Diurnal, SECONDS),
    ),
    max_size=3,
)


def arrivals(
    rate: float,
    *texts: str,
    count: int | None = None,
    seconds: float | None = None,
    seed: int = 1,
    phase: float = 0.5,
) -> Times:
    every = Arrivals(rate, shapes.parse(texts), BY_HOUR, phase)
    blocks = every.blocks(np.random.default_rng(seed))
    return np.concatenate([np.empty(0), *until(blocks, count, seconds)])


def by_second(times: Times) -> list[int]:
    return np.bincount(times.astype(np.int64)).tolist()


@given(ANY_SHAPES, st.floats(0.5, 5_000), st.integers(1, 20_000), st.integers(0, 99))
def test_a_count_is_kept_and_times_ascend_and_no_block_is_long(
    every: Sequence[shapes.Shape], rate: float, count: int, seed: int
) -> None:
    count = min(count, int(rate * 200))
    found = Arrivals(rate, every, BY_HOUR).blocks(np.random.default_rng(seed))
    blocks = list(until(found, count))
    times = np.concatenate(blocks)
    assert len(times) == count
    assert times[0] >= 0
    assert (np.diff(times) >= 0).all()
    assert max(map(len, blocks)) <= 5_000


@given(ANY_SHAPES, st.floats(0.5, 5_000), st.floats(0.1, 60.0))
def test_a_duration_gives_the_integral_of_the_rate(
    every: Sequence[shapes.Shape], rate: float, seconds: float
) -> None:
    found = Arrivals(rate, every, BY_HOUR).blocks(np.random.default_rng(1))
    times = np.concatenate([np.empty(0), *until(found, seconds=seconds)])
    grid = np.linspace(0, seconds, 20_001)
    middles = (grid[1:] + grid[:-1]) / 2
    factor = shapes.factor(every, middles, BY_HOUR)
    assert factor.max() <= shapes.most(every, BY_HOUR) * (1 + 1e-9)
    wanted = rate * float(factor.mean()) * seconds
    peak = rate * shapes.most(every, BY_HOUR)
    random_gaps = any(isinstance(shape, shapes.Poisson) for shape in every)
    # A poisson count is off by its square root; six of them never come. Edges are off by the grids.
    slack = 1 + 0.01 * wanted + 0.1 * peak + (6 * wanted**0.5 + 6 if random_gaps else 0)
    assert abs(len(times) - wanted) <= slack
    assert (times < seconds).all()


def test_without_a_shape_gaps_are_even() -> None:
    assert arrivals(4, count=3).tolist() == pytest.approx([0.125, 0.375, 0.625])
    assert len(arrivals(500, seconds=60)) == 30_000
    assert arrivals(0.1, count=2).tolist() == pytest.approx([5.0, 15.0])


@pytest.mark.thorough
def test_even_gaps_are_still_even_after_a_day() -> None:
    every = Arrivals(1.0, [], EVEN)
    (late,) = list(itertools.islice(until(every.blocks(np.random.default_rng(1))), 86_400, 86_401))
    assert late.tolist() == pytest.approx([86_400.5])


def test_parts_together_are_as_even_as_one() -> None:
    parts = [arrivals(100, count=250, phase=(part + 0.5) / 3) for part in range(3)]
    together = np.sort(np.concatenate(parts))
    assert np.diff(together) == pytest.approx(np.full(749, 1 / 300), rel=1e-6)


def test_a_ramp_climbs_and_stays() -> None:
    found = by_second(arrivals(1_000, "ramp:start=0.1,end=1,seconds=10", seconds=12))
    assert found == pytest.approx(
        [145, 235, 325, 415, 505, 595, 685, 775, 865, 955, 1000, 1000], abs=1
    )


def test_steps_climb_or_fall_to_their_end() -> None:
    up = arrivals(100, "steps:start=1,end=2.5,step=1,every_seconds=2", seconds=7)
    assert by_second(up) == [100, 100, 200, 200, 250, 250, 250]
    down = arrivals(100, "steps:start=3,end=1,step=1,every_seconds=1", seconds=4)
    assert by_second(down) == [300, 200, 100, 100]


def test_bursts_come_back() -> None:
    found = by_second(arrivals(10, "burst:times=5,seconds=1,every_seconds=3", seconds=6))
    assert found == [50, 10, 10, 50, 10, 10]


def test_a_day_has_as_many_rides_as_the_rate_and_its_hours_their_share() -> None:
    found = np.array(by_second(arrivals(1_000, "diurnal:day_seconds=24", seconds=48)))
    assert found.sum() == 48_000
    assert found[5] < found[18] / 2.5
    assert found[:24] == pytest.approx(found[24:], abs=1)


def test_shapes_multiply() -> None:
    found = arrivals(
        10, "burst:times=3,seconds=1,every_seconds=2", "steps:every_seconds=2", seconds=4
    )
    assert by_second(found) == [30, 10, 60, 20]


def test_poisson_gaps_are_random_and_those_of_a_seed_are_the_same() -> None:
    found = arrivals(1_000, "poisson", count=20_000)
    gaps = np.diff(found)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    assert gaps.mean() == pytest.approx(0.001, rel=0.05)
    assert (found == arrivals(1_000, "poisson", count=20_000)).all()
    assert not (found == arrivals(1_000, "poisson", count=20_000, seed=2)).any()


def test_times_that_are_known_come_in_blocks() -> None:
    times = np.arange(12_000.0)
    blocks = list(in_blocks(times))
    assert [len(block) for block in blocks] == [5_000, 5_000, 2_000]
    assert [len(block) for block in until(in_blocks(times), 6_000)] == [5_000, 1_000]
    assert [len(block) for block in until(in_blocks(times), seconds=5_000)] == [5_000]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("brust", "--shape 'brust' is not known: did you mean burst?"),
        ("", "--shape '' is not known: choose from constant, ramp"),
        ("burst:tims=3", "--shape burst has no 'tims': did you mean times?"),
        ("burst:times", "write burst:times=VALUE, once"),
        ("ramp:end=0", r"--shape ramp:end=0: Expected `float` >= 0.001 - at `\$.end`"),
        ("ramp:end=nan", r"Expected `float` >= 0.001 - at `\$.end`"),
        ("ramp:end=inf", r"Expected `float` <= 1000.0 - at `\$.end`"),
        ("burst:seconds=30", "`seconds` of a burst must be fewer than `every_seconds`"),
    ],
)
def test_a_shape_that_is_none_is_named(text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        shapes.parse([text])


def test_a_run_has_one_clock() -> None:
    with pytest.raises(UserError, match="diurnal is given twice"):
        shapes.parse(["diurnal", "poisson", "diurnal:day_seconds=60"])
