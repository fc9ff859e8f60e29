import msgspec
import numpy as np
import pytest

from ride_scoring.domain import features
from ride_scoring.domain.slices import DISTANCE
from training.evaluation import slices
from training.evaluation.bootstrap import Mask
from training.evaluation.comparison import Verdict, compare
from training.evaluation.evaluation import Data, Evaluation, evaluate
from training.evaluation.importance import importance
from training.evaluation.metrics import Minutes
from training.evaluation.reference_profile import (
    Categories,
    Deciles,
    ReferenceProfile,
    population_stability,
    reference_profile,
)
from trips.columns import Trips
from trips.profile import drawn

DATA = Data("green_tripdata_2023-02.parquet", "5c" * 32)


def _trips(count: int = 12_000) -> Trips:
    return drawn.synthetic(count, 7)


def _predicted(ridden: Trips, error_minutes: float, seed: int) -> Minutes:
    noise = np.random.default_rng(seed).normal(scale=error_minutes, size=len(ridden))
    return np.maximum(ridden.duration_minutes + noise, 0.0)


def _seen(ridden: Trips) -> Mask:
    return np.arange(len(ridden)) % 20 > 0


def _verdict(ridden: Trips, champion: Minutes, challenger: Minutes, margin: float = 0.0) -> Verdict:
    return compare(ridden, champion, challenger, _seen(ridden), 1, margin)


def test_a_clearly_better_challenger_may_be_promoted() -> None:
    ridden = _trips()
    verdict = _verdict(ridden, _predicted(ridden, 4.0, 1), _predicted(ridden, 3.0, 2))
    assert verdict.better
    assert verdict.difference_minutes == pytest.approx(1.0, abs=0.15)
    assert verdict.reasons == []


def test_a_model_is_not_better_than_itself() -> None:
    ridden = _trips(3_000)
    minutes = _predicted(ridden, 4.0, 1)
    verdict = _verdict(ridden, minutes, minutes)
    assert not verdict.better
    assert verdict.slices_worse == []
    assert len(verdict.reasons) == 1
    assert "not better beyond the noise" in verdict.reasons[0]


def test_an_equal_model_is_seldom_called_better_or_worse() -> None:
    ridden = _trips(4_000)
    verdicts = [
        _verdict(ridden, _predicted(ridden, 4.0, seed), _predicted(ridden, 4.0, seed + 100))
        for seed in range(8)
    ]
    assert sum(verdict.better for verdict in verdicts) <= 1
    assert sum(bool(verdict.slices_worse) for verdict in verdicts) <= 1


def test_a_gain_below_the_margin_is_not_enough() -> None:
    ridden = _trips()
    models = (_predicted(ridden, 4.0, 1), _predicted(ridden, 3.0, 2))
    assert _verdict(ridden, *models, margin=0.5).better
    refused = _verdict(ridden, *models, margin=1.5)
    assert not refused.better
    assert "by more than 1.5 minutes" in refused.reasons[0]


def test_a_challenger_that_fails_one_borough_is_refused() -> None:
    ridden = _trips()
    challenger = _predicted(ridden, 3.0, 2)
    parts = slices.slices(ridden, _seen(ridden))
    [bronx] = [part for part in parts if part.value == "Bronx"]
    challenger[bronx.mask] += 4.0
    verdict = _verdict(ridden, _predicted(ridden, 4.0, 1), challenger)
    assert verdict.better
    assert [(part.dimension, part.value) for part in verdict.slices_worse] == [
        ("pickup borough", "Bronx")
    ]
    assert "where pickup borough is Bronx" in verdict.reasons[0]


def test_a_challenger_that_is_worse_everywhere_gets_few_sentences() -> None:
    ridden = _trips()
    verdict = _verdict(ridden, _predicted(ridden, 2.0, 1), _predicted(ridden, 6.0, 2))
    assert len(verdict.slices_worse) > 20
    assert len(verdict.reasons) == 7
    assert verdict.reasons[-1].endswith("slices that were judged")


def test_too_few_rides_are_no_ground_for_a_promotion() -> None:
    ridden = _trips(80)
    verdict = _verdict(ridden, _predicted(ridden, 9.0, 1), _predicted(ridden, 1.0, 2))
    assert (verdict.better, verdict.interval, verdict.slices_judged) == (False, None, 0)
    assert "80 rides cannot tell" in verdict.reasons[0]


def test_an_evaluation_survives_json() -> None:
    ridden = _trips(3_000)
    found = evaluate(ridden, _predicted(ridden, 4.0, 1), _seen(ridden), DATA, 1)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found


def test_an_evaluation_tells_a_slice_that_is_weak() -> None:
    ridden = _trips()
    predicted = _predicted(ridden, 2.0, 1)
    predicted[ridden.distance_miles >= 5] += 6
    found = evaluate(ridden, predicted, _seen(ridden), DATA, 1)
    bands = {part.value: part for part in found.along(DISTANCE)}
    assert bands["5 to 10 miles"].metrics.bias_minutes == pytest.approx(6, abs=0.3)
    assert bands["1 to 2 miles"].metrics.rmse_minutes == pytest.approx(2, abs=0.3)
    far = bands["5 to 10 miles"].rmse_interval
    assert far is not None
    assert far.low > found.intervals["rmse_minutes"].high


def test_importance_is_of_what_the_model_goes_by() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(2_000, 3))
    matrix[:, 1] = matrix[:, 0]  # the same input under a second name
    found = importance(
        lambda rides: 3 * rides[:, 0] + 3 * rides[:, 1],
        matrix,
        ("zone", "pair", "hour"),
        6 * matrix[:, 0],
        {"pickup time": ["hour"], "zones": ["zone", "pair"]},
        seed=1,
    )
    assert list(found.groups) == ["zones", "pickup time"]
    assert found.groups["zones"].mean_minutes == pytest.approx(6 * np.sqrt(2), rel=0.1)
    assert found.features["zone"].mean_minutes == pytest.approx(3 * np.sqrt(2), rel=0.1)
    assert found.features["hour"].mean_minutes == 0


def test_importance_of_a_feature_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="weather is not among hour"):
        importance(
            lambda m: m[:, 0], np.ones((9, 1)), ["hour"], np.ones(9), {"sky": ["weather"]}, 1
        )


def _profile(ridden: Trips) -> tuple[ReferenceProfile, dict[str, Minutes]]:
    names = ("trip_distance", "hour", "PULocationID", "PU_DO")
    matrix = features.matrix(names, ridden.rides(), [0.0] * len(ridden))
    return reference_profile(matrix, names, ridden.duration_minutes), dict(
        zip(names, matrix.T, strict=True)
    )


def test_a_profile_is_stable_on_its_own_data_and_on_more_of_the_kind() -> None:
    found, columns = _profile(_trips(6_000))
    _, others = _profile(drawn.synthetic(6_000, 8))
    for name, part in found.features.items():
        assert population_stability(part, columns[name]) == pytest.approx(0, abs=1e-9)
        assert population_stability(part, others[name]) < 0.05


def test_a_profile_notices_a_shift() -> None:
    found, columns = _profile(_trips(6_000))
    shifted = {
        "trip_distance": columns["trip_distance"] * 2,
        "hour": (columns["hour"] + 8) % 24,
        "PULocationID": np.where(columns["hour"] < 12, 1.0, columns["PULocationID"]),
    }
    for name, values in shifted.items():
        assert population_stability(found.features[name], values) > 0.2


def test_a_profile_counts_what_is_missing_and_what_it_never_met() -> None:
    values = np.repeat([5.0, 7.0, np.nan], [60, 30, 10])
    found = reference_profile(np.column_stack([values, values]), ("a", "hour"), np.ones(100))
    part = found.features["hour"]
    assert part == Categories([5.0, 7.0], [0.6, 0.3], other=0.0, missing=0.1)
    assert found.features["a"] == part  # of two values there are no deciles
    assert population_stability(part, np.where(values == 7, 9.0, values)) > 0.2
    assert population_stability(part, np.where(values == 7, np.nan, values)) > 0.2


def test_a_profile_of_a_quantity_has_ten_even_bins() -> None:
    part = reference_profile(np.arange(1_000.0)[:, None], ["miles"], np.ones(1_000)).features[
        "miles"
    ]
    assert isinstance(part, Deciles)
    assert len(part.edges) == 11
    assert part.shares == pytest.approx([0.1] * 10, abs=0.002)
    assert population_stability(part, np.full(50, 1e9)) > 1


def test_a_profile_survives_json() -> None:
    found, _ = _profile(_trips(1_000))
    assert msgspec.json.decode(msgspec.json.encode(found), type=ReferenceProfile) == found
