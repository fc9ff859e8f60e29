"""What the models that are compared learn, and what they must not."""

import functools
from typing import Any

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from ride_scoring.domain import features
from ride_scoring.models.inputs import matrix_of
from tests.factories import shared
from training.compiler import compile_checked
from training.models import boosted, encodings
from training.models.boosted import BOOSTED, BOOSTED_WITHOUT_PICKUP_TIME
from training.models.catalogue import KINDS
from training.models.kind import Fitted, ModelKind, feature_matrix
from training.models.linear import LINEAR
from training.models.mean import MEAN
from trips.columns import Trips
from trips.profile.drawn import synthetic
from trips.tlc import read

SMALL = boosted.Hyperparameters(trees=15, leaves=15, folds=5)


@functools.cache
def trips(seed: int = 7) -> Trips:
    return synthetic(3_000, seed)


def fitted_on(on: Trips, model: ModelKind[Any], seed: int) -> Fitted:
    return model.fit(on, model.hyperparameters(), seed)


@functools.cache
def fitted(model: ModelKind[Any], seed: int = 0) -> Fitted:
    return fitted_on(trips(), model, seed)


def rmse(model: Fitted, on: Trips) -> float:
    return float(np.sqrt(np.mean((model.minutes(on) - on.duration_minutes) ** 2)))


def small_pipeline(minutes: NDArray[np.float64], seed: int = 0) -> Pipeline:
    matrix = feature_matrix(boosted.FEATURES, trips())
    return boosted.fit(matrix, minutes, boosted.FEATURES, SMALL, seed)


def cross_fitted(target: NDArray[np.float64]) -> tuple[ColumnTransformer, NDArray[np.float64]]:
    """The pair of zones alone, encoded by one target."""
    matrix = feature_matrix(("PU_DO", "trip_distance"), trips())
    return encodings.cross_fitted(matrix, [0], {"target": target}, folds=5, seed=0)


@pytest.mark.parametrize("model", KINDS.values(), ids=lambda model: model.name)
def test_minutes_are_never_negative(model: ModelKind[Any]) -> None:
    count = len(trips())
    free = Trips(
        trips().pickup,
        np.full(count, 1.0),
        trips().pickup_zone,
        trips().dropoff_zone,
        np.full(count, -1e6),
    )

    minutes = fitted(model).minutes(free)

    assert minutes.shape == (count,)
    assert minutes.dtype == np.float64
    assert minutes.min() >= 0.0


@pytest.mark.parametrize("model", KINDS.values(), ids=lambda model: model.name)
def test_the_same_seed_gives_the_same_model(model: ModelKind[Any]) -> None:
    again = fitted_on(trips(), model, 0)

    assert again.minutes(trips(8)).tolist() == fitted(model).minutes(trips(8)).tolist()


def test_another_seed_gives_another_model() -> None:
    other = fitted_on(trips(), BOOSTED, 1)

    assert other.minutes(trips(8)).tolist() != fitted(BOOSTED).minutes(trips(8)).tolist()


def test_each_model_is_better_than_the_one_before_it() -> None:
    order = (MEAN, LINEAR, BOOSTED_WITHOUT_PICKUP_TIME, BOOSTED)
    errors = [rmse(fitted(model), trips(8)) for model in order]

    assert errors == sorted(errors, reverse=True)


def test_the_model_without_pickup_time_does_not_look_at_it() -> None:
    later = Trips(
        trips().pickup + np.timedelta64(13, "h"),
        trips().duration_minutes,
        trips().pickup_zone,
        trips().dropoff_zone,
        trips().distance_miles,
    )
    blind, seeing = fitted(BOOSTED_WITHOUT_PICKUP_TIME), fitted(BOOSTED)

    assert blind.minutes(later).tolist() == blind.minutes(trips()).tolist()
    assert seeing.minutes(later).tolist() != seeing.minutes(trips()).tolist()


@pytest.mark.parametrize("model", KINDS.values(), ids=lambda model: model.name)
def test_the_function_knows_every_feature(model: ModelKind[Any]) -> None:
    features.require_known(fitted(model).takes.fields)


def test_a_ride_does_not_see_its_own_target() -> None:
    random = np.random.default_rng(0).normal(size=len(trips()))

    transformer, columns = cross_fitted(random)
    matrix = feature_matrix(("PU_DO", "trip_distance"), trips())
    seen_by_itself = transformer.transform(matrix)

    assert abs(np.corrcoef(columns[:, 0], random)[0, 1]) < 0.1
    assert np.corrcoef(seen_by_itself[:, 0], random)[0, 1] > 0.3


def test_changing_a_rides_target_leaves_its_own_encoding_as_it_was() -> None:
    minutes = trips().duration_minutes
    changed = minutes.copy()
    changed[0] += 1_000.0

    before, after = (cross_fitted(target)[1][:, 0] for target in (minutes, changed))

    assert after[0] == before[0]
    assert (after != before).any()


def test_later_rides_get_the_encodings_of_all_rides_and_the_rest_as_it_is() -> None:
    transformer, columns = cross_fitted(trips().duration_minutes)
    matrix = feature_matrix(("PU_DO", "trip_distance"), trips())

    later = transformer.transform(matrix)

    assert later.shape == columns.shape
    assert later[:, 1].tolist() == columns[:, 1].tolist() == matrix[:, 1].tolist()
    pairs, first = np.unique(matrix[:, 0], return_index=True)
    assert all(len(set(later[matrix[:, 0] == pair, 0])) == 1 for pair in pairs[:20])
    assert len(set(later[first, 0])) > len(pairs) / 2


def test_random_durations_teach_the_trees_next_to_nothing() -> None:
    shuffled = np.random.default_rng(0).permutation(trips().duration_minutes)
    other = np.random.default_rng(1).permutation(trips(8).duration_minutes)
    pipeline = small_pipeline(shuffled)

    predicted = pipeline.predict(feature_matrix(boosted.FEATURES, trips(8)))

    assert np.sqrt(np.mean((predicted - other) ** 2)) < 1.1 * other.std()


def test_a_meter_that_writes_a_wrong_distance_makes_no_zone_fast() -> None:
    matrix = feature_matrix(boosted.FEATURES, trips()).copy()
    matrix[:50, boosted.FEATURES.index("trip_distance")] = 260_000.0

    pipeline = boosted.fit(matrix, trips().duration_minutes, boosted.FEATURES, SMALL, 0)
    speeds = pipeline["encode"].named_transformers_["speed"].estimator.encodings_

    assert max(encoding.max() for encoding in speeds) <= 60.0


def test_the_boosted_pipeline_compiles_to_the_same_minutes() -> None:
    pipeline = small_pipeline(trips().duration_minutes)

    report = compile_checked(pipeline, matrix_of(boosted.FEATURES), {"model.skops": "1" * 64})[1]

    assert report.largest_difference_minutes < 1e-9
    assert report.rides > 50_000


def test_the_boosted_pipeline_is_read_back_with_scikit_learns_types_alone() -> None:
    pipeline = small_pipeline(trips().duration_minutes)
    matrix = feature_matrix(boosted.FEATURES, trips())

    stored = skops.io.dumps(pipeline)
    types = skops.io.get_untrusted_types(data=stored)
    read_back = skops.io.loads(stored, trusted=types)

    assert all(name.startswith("sklearn.") for name in types)
    assert read_back.predict(matrix).tolist() == pipeline.predict(matrix).tolist()


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("model", "learnt", "validated", "most"),
    [
        (LINEAR, "2021-01", "2021-02", 7.8),
        (BOOSTED_WITHOUT_PICKUP_TIME, "2021-01", "2021-02", 5.85),
        (BOOSTED, "2021-01", "2021-02", 5.36),
        (BOOSTED, "2023-01", "2023-02", 4.22),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_root_mean_squared_error_on_the_next_month(
    model: ModelKind[Any], learnt: str, validated: str, most: float
) -> None:
    months = [read(shared(f"tlc/green_tripdata_{month}.parquet")) for month in (learnt, validated)]
    train, validation = (
        month.where((month.duration_minutes >= 1) & (month.duration_minutes <= 60))
        for month in months
    )

    assert rmse(fitted_on(train, model, 0), validation) <= most
