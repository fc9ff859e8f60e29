import numpy as np
import pytest

from ride_scoring.domain.slices import BOROUGH, DISTANCE, HOUR, PAIR
from training.evaluation import bootstrap, slices
from training.evaluation.interval import around
from training.evaluation.metrics import Minutes, measure
from trips.columns import Trips
from trips.profile import drawn


def _trips(count: int = 5_000, seed: int = 3) -> Trips:
    return drawn.synthetic(count, seed)


def _everything(ridden: Trips) -> bootstrap.Mask:
    return np.ones(len(ridden), dtype=np.bool_)


def _by_hour(ridden: Trips, rng: np.random.Generator) -> Minutes:
    """One standard normal number for each hour, the same for all of its rides."""
    hour = bootstrap.hour_index(ridden)
    drawn: Minutes = rng.normal(size=int(hour.max()) + 1)
    return drawn[hour]


def test_metrics_are_those_of_known_errors() -> None:
    actual = np.full(5, 10.0)
    metrics = measure(actual, actual + np.array([3.0, -4.0, 0.0, 5.0, -6.0]))
    assert metrics.rides == 5
    assert metrics.rmse_minutes == pytest.approx(np.sqrt(86 / 5))
    assert metrics.mae_minutes == pytest.approx(18 / 5)
    assert metrics.bias_minutes == pytest.approx(-2 / 5)
    assert metrics.within_5_minutes == pytest.approx(4 / 5)
    assert metrics.p90_error_minutes == pytest.approx(5.6)


@pytest.mark.parametrize(
    ("actual", "predicted", "said"),
    [
        ([1.0, 2.0], [1.0], "shape"),
        ([[1.0]], [[1.0]], "shape"),
        ([], [], "no rides"),
        ([1.0, float("nan")], [1.0, 2.0], "1 of 2 actual"),
        ([1.0, 2.0], [float("inf"), float("nan")], "2 of 2 predicted"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    actual: list[float], predicted: list[float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        measure(np.array(actual), np.array(predicted))


def test_intervals_hold_the_true_value_about_as_often_as_they_say() -> None:
    held = {"rmse_minutes": 0, "mae_minutes": 0, "bias_minutes": 0, "within_5_minutes": 0}
    # Errors are normal with variance 4² + 3², of which 3² is the hour's.
    truth = {"rmse_minutes": 5.0, "mae_minutes": 5 * np.sqrt(2 / np.pi), "bias_minutes": 0.0}
    truth["within_5_minutes"] = 0.6827
    times = 120
    ridden = _trips(3_000)
    for seed in range(times):
        rng = np.random.default_rng(seed)
        error = rng.normal(scale=4, size=len(ridden)) + 3 * _by_hour(ridden, rng)
        found = bootstrap.intervals(ridden, ridden.duration_minutes + error, seed, draws=400)
        for name, value in truth.items():
            held[name] += found[name].low <= value <= found[name].high
    assert all(0.88 <= count / times <= 0.99 for count in held.values()), held


def test_errors_that_an_hour_shares_widen_the_interval() -> None:
    ridden, rng = _trips(), np.random.default_rng(1)
    alone = 3 * rng.normal(size=len(ridden))
    shared = 3 * _by_hour(ridden, rng)
    widths = [
        found.high - found.low
        for error in (alone, shared)
        for found in [
            bootstrap.intervals(ridden, ridden.duration_minutes + error, 1)["bias_minutes"]
        ]
    ]
    assert widths[1] > 2 * widths[0]


@pytest.mark.parametrize(
    ("confidence", "freedom", "tabulated"),
    [
        (0.95, 9, 2.262),
        (0.95, 27, 2.052),
        (0.999, 9, 4.781),
        (0.999, 27, 3.690),
        (0.95, 699, 1.963),
    ],
)
def test_an_interval_reaches_as_far_as_the_tables_of_students_t_say(
    confidence: float, freedom: int, tabulated: float
) -> None:
    drawn_with_deviation_one = np.array([-1.0, 0.0, 1.0])
    found = around(10.0, drawn_with_deviation_one, freedom + 1, confidence)
    assert (10.0 - found.low, found.high - 10.0) == pytest.approx((tabulated, tabulated), rel=1e-3)


def test_the_same_seed_gives_the_same_intervals() -> None:
    ridden = _trips(2_000)
    predicted = ridden.distance_miles * 5
    first, again, other = (bootstrap.intervals(ridden, predicted, seed) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_one_hour_gives_no_interval_rather_than_a_narrow_one() -> None:
    ridden = _trips(2_000)
    hour = bootstrap.hour_index(ridden)
    busiest = ridden.where(hour == np.bincount(hour).argmax())
    many = busiest.where(np.arange(400) % len(busiest))
    assert bootstrap.intervals(many, many.duration_minutes + 1, 0) == {}
    [found] = bootstrap.paired(
        many, many.duration_minutes + 2, many.duration_minutes + 1, [_everything(many)], 0.95, 0
    )
    assert found.minutes == pytest.approx(1)
    assert found.interval is None


def test_a_mask_of_few_rides_is_not_judged() -> None:
    ridden = _trips()
    few, enough = (np.arange(len(ridden)) % (len(ridden) // count) == 0 for count in (50, 200))
    champion, challenger = ridden.duration_minutes + 2, ridden.duration_minutes + 1
    of_few, of_enough = bootstrap.paired(ridden, champion, challenger, [few, enough], 0.95, 0)
    assert of_few.interval is None
    assert of_enough.interval is not None
    assert bootstrap.rmse_intervals(ridden, champion, [few], 0) == [None]


def test_the_interval_of_a_mask_is_about_that_of_its_rides_alone() -> None:
    ridden = _trips(20_000)
    predicted = ridden.duration_minutes + np.random.default_rng(2).normal(scale=3, size=20_000)
    mask = ridden.distance_miles < 3
    [masked] = bootstrap.rmse_intervals(ridden, predicted, [mask], 0)
    alone = bootstrap.intervals(ridden.where(mask), predicted[mask], 0)["rmse_minutes"]
    assert masked is not None
    assert (masked.low, masked.high) == pytest.approx((alone.low, alone.high), abs=0.02)


def test_a_pair_of_models_is_told_apart_where_each_alone_is_not() -> None:
    ridden, rng = _trips(), np.random.default_rng(4)
    hard = 6 * _by_hour(ridden, rng)
    champion = ridden.duration_minutes + hard + rng.normal(scale=1.0, size=len(ridden))
    challenger = ridden.duration_minutes + 0.97 * hard
    before, after = (
        bootstrap.intervals(ridden, minutes, 0)["rmse_minutes"]
        for minutes in (champion, challenger)
    )
    assert before.low < after.high
    [found] = bootstrap.paired(ridden, champion, challenger, [_everything(ridden)], 0.95, 0)
    assert found.interval is not None
    assert 0 < found.interval.low < found.minutes < found.interval.high


@pytest.mark.parametrize("dimension", [BOROUGH, HOUR, DISTANCE, PAIR])
def test_every_ride_is_in_exactly_one_slice_of_a_dimension(dimension: str) -> None:
    ridden = _trips()
    ridden.distance_miles[:3] = [0.0, 1.0, 180.0]
    found = slices.slices(ridden, np.arange(len(ridden)) % 3 > 0)
    masks = [part.mask for part in found if part.dimension == dimension]
    assert len(masks) > 1
    assert (np.sum(masks, axis=0) == 1).all()


def test_slices_are_named_by_what_their_rides_have_in_common() -> None:
    ridden = _trips(400)
    ridden.pickup_zone[:] = 132  # JFK
    ridden.distance_miles[:] = 2.0
    ridden.pickup[:] = np.datetime64("2023-01-14T08:59:59", "us")
    found = [(part.dimension, part.value) for part in slices.slices(ridden, _everything(ridden))]
    assert found == [
        ("pickup borough", "Queens"),
        ("pickup hour", "08"),
        ("distance", "2 to 5 miles"),
        ("pair of zones", "seen in training"),
    ]


def test_a_pair_of_zones_is_seen_in_its_direction() -> None:
    ridden = _trips(3)
    ridden.pickup_zone[:], ridden.dropoff_zone[:] = [1, 2, 1], [2, 1, 3]
    assert slices.seen_pairs(slices.pairs(ridden.where(slice(0, 1))), ridden).tolist() == [
        True,
        False,
        False,
    ]
