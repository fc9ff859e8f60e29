"""Counts by time, and latencies by class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_sim.verify.timeline import BINS, Timeline


def at(*seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(seconds, dtype=np.float64)


def test_what_happens_is_counted_in_its_second() -> None:
    timeline = Timeline(began_at=100.0)
    timeline.count("sent", at(100.0, 100.9, 102.0))
    timeline.count("rejected", at(101.5))
    timeline.predicted(at(102.1), at(1_600.0))
    timeline.erred(at(102.1), at(-3.0))
    moments = timeline.moments()
    assert moments.bin_seconds == 1.0
    assert moments.seconds == [0.0, 1.0, 2.0]
    assert moments.sent == [2, 0, 1]
    assert moments.rejected == [0, 1, 0]
    assert moments.predicted == [0, 0, 1]
    assert moments.rmse_minutes == [None, None, 3.0]
    assert moments.p50_ms[:2] == [None, None]
    assert moments.p50_ms[2] == pytest.approx(1_600, rel=0.01)


def test_what_a_clock_that_is_behind_says_is_of_the_first_second() -> None:
    timeline = Timeline(began_at=100.0)
    timeline.count("sent", at(99.0))
    assert timeline.moments().sent == [1]


@given(
    st.lists(st.lists(st.floats(0, 1e6), max_size=20), max_size=8),
)
def test_however_long_a_run_is_all_is_counted_in_a_few_bins(batches: list[list[float]]) -> None:
    timeline = Timeline(began_at=0.0)
    for batch in batches:
        timeline.count("sent", at(*batch))
        timeline.predicted(at(*batch), at(*batch))
        timeline.erred(at(*batch), at(*(1.0 for _ in batch)))
    moments = timeline.moments()
    times = np.sort([second for batch in batches for second in batch])
    assert len(moments.seconds) <= BINS
    bounds = [*moments.seconds, np.inf] if len(times) else [0.0]
    assert moments.sent == np.histogram(times, bounds)[0].tolist()
    assert moments.predicted == moments.sent
    assert {rmse for rmse in moments.rmse_minutes if rmse is not None} <= {1.0}
    assert sum(group.rides for group in timeline.latency_classes()) == len(times)


def test_latencies_are_known_to_within_one_percent() -> None:
    timeline = Timeline(began_at=0.0)
    latency_ms = np.random.default_rng(1).lognormal(5, 1.5, 20_000)
    timeline.predicted(np.zeros(20_000), latency_ms)
    for percent in (1, 50, 95, 99, 99.9):
        exact = float(np.percentile(latency_ms, percent))
        assert timeline.percentile(percent) == pytest.approx(exact, rel=0.012)


def test_a_latency_is_in_the_class_that_reaches_up_to_it() -> None:
    timeline = Timeline(began_at=0.0)
    timeline.predicted(np.zeros(3), at(0.0, 50.0, 1e12))
    classes = timeline.latency_classes()
    assert classes[0].rides == classes[-1].rides == 1
    (middle,) = [i for i, group in enumerate(classes) if group.rides and 1 < group.to_ms < 1e3]
    assert classes[middle - 1].to_ms < 50.0 <= classes[middle].to_ms


def test_without_predictions_there_are_no_latencies() -> None:
    timeline = Timeline(began_at=0.0)
    assert timeline.percentile(50) is None
    assert timeline.latency_classes() == []
    assert timeline.moments().seconds == []
