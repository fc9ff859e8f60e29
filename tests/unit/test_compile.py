"""Which models compile, that they then give the same minutes, and what is refused."""

import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, PoissonRegressor, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeRegressor

from ride_scoring.domain import features
from ride_scoring.errors import ModelRefused
from ride_scoring.fields import Field, rows
from ride_scoring.models import compiled
from ride_scoring.models.compiled import CompiledModel
from ride_scoring.models.files import Directory
from ride_scoring.models.inputs import ModelInputs, matrix_of
from tests.factories import shared
from training.compiler import NotCompilable, ParityReport, compile_checked, compile_model
from training.compiler.graph import stamp
from training.models import boosted
from training.models.kind import feature_matrix
from trips.columns import Trips
from trips.profile.drawn import synthetic
from trips.tlc import read

FEATURES = ("PU_DO", "PULocationID", "DOLocationID", "trip_distance", "hour", "weekday")
SOURCES = {"MLmodel": "0" * 64, "model.skops": "1" * 64}
PAIR, WEEKDAY = FEATURES.index("PU_DO"), FEATURES.index("weekday")


@functools.cache
def trips() -> Trips:
    return synthetic(4_000, seed=7)


@functools.cache
def matrix() -> np.ndarray[Any, np.dtype[np.float64]]:
    return feature_matrix(FEATURES, trips())


def fitted(estimator: Any, **fit: Any) -> Any:
    return estimator.fit(matrix(), trips().duration_minutes, **fit)


def boosting(**options: Any) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(max_iter=20, random_state=0, **options)


def encoded(regressor: Any) -> Pipeline:
    """Zones by their mean duration, the rest as it is."""
    encoder = TargetEncoder(target_type="continuous")
    return make_pipeline(
        ColumnTransformer([("zones", encoder, [0, 1])], remainder="passthrough"), regressor
    )


COURSE = ModelInputs(features.COURSE_FIELDS, "dicts")


def checked(estimator: Any, names: Sequence[str] = FEATURES) -> ParityReport:
    return compile_checked(estimator, matrix_of(names), SOURCES)[1]


def standing(ridden: Trips) -> Pipeline:
    """The candidate, with the hyperparameters that stand."""
    taken = feature_matrix(boosted.FEATURES, ridden)
    minutes = ridden.duration_minutes
    return boosted.fit(taken, minutes, boosted.FEATURES, boosted.Hyperparameters(), seed=0)


@pytest.mark.thorough
def test_the_standing_model_compiles_and_every_split_is_tried() -> None:
    report = checked(standing(trips()), boosted.FEATURES)

    assert report.largest_difference_minutes < 1e-9
    assert report.rides > 100_000
    assert report.splits_tried > 0.9 * report.splits > 1_000


@pytest.mark.few(5)
@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(),
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(), PoissonRegressor()),
        encoded(LinearRegression()),
        DecisionTreeRegressor(max_depth=6),
        DecisionTreeRegressor(min_samples_leaf=3_000),
        RandomForestRegressor(10, random_state=0),
        ExtraTreesRegressor(5, random_state=0),
        GradientBoostingRegressor(n_estimators=20, random_state=0),
        GradientBoostingRegressor(n_estimators=5, init="zero", loss="absolute_error"),
        make_pipeline(StandardScaler(), GradientBoostingRegressor(n_estimators=5)),
        encoded(RandomForestRegressor(3, random_state=0)),
        make_pipeline(StandardScaler(), boosting()),
        boosting(monotonic_cst=[0, 0, 0, 1, 0, 0]),
        boosting(loss="poisson"),
        boosting(loss="gamma"),
        boosting(loss="absolute_error"),
        boosting(categorical_features=[WEEKDAY, FEATURES.index("hour")]),
    ],
    ids=str,
)
def test_a_known_estimator_gives_the_same_minutes_when_compiled(estimator: Any) -> None:
    assert checked(fitted(estimator)).largest_difference_minutes < 1e-6


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "estimator",
    [
        boosting(),
        DecisionTreeRegressor(random_state=0),
        RandomForestRegressor(3, random_state=0),
        encoded(boosting()),
        boosting(categorical_features=[WEEKDAY]),
    ],
    ids=str,
)
def test_a_model_trained_with_missing_values_sends_them_the_same_way(estimator: Any) -> None:
    with_gaps = matrix().copy()
    for column in (PAIR, FEATURES.index("trip_distance"), WEEKDAY):
        with_gaps[column::7, column] = np.nan

    report = checked(estimator.fit(with_gaps, trips().duration_minutes))

    assert report.largest_difference_minutes < 1e-9
    assert "missing values" in report.groups
    assert "no weekday" not in report.refused


def test_sample_weights_are_in_the_model_and_need_nothing_of_the_compiler() -> None:
    weighted = fitted(boosting(), sample_weight=trips().distance_miles)

    assert checked(weighted).largest_difference_minutes < 1e-9


@pytest.mark.thorough
def test_a_model_fitted_on_a_frame_may_name_its_columns() -> None:
    frame = pd.DataFrame(matrix(), columns=list(FEATURES))
    columns = ColumnTransformer(
        [
            ("pair", TargetEncoder(target_type="continuous"), ["PU_DO"]),
            ("scaled", StandardScaler(), slice("trip_distance", "hour")),
            ("left out", "drop", ["weekday"]),
        ],
        remainder="passthrough",
    )
    model = make_pipeline(columns, boosting()).fit(frame, trips().duration_minutes)

    assert checked(model).largest_difference_minutes < 1e-9
    with pytest.raises(NotCompilable, match="other columns"):
        checked(model, tuple(reversed(FEATURES)))


def test_a_frozen_estimator_is_what_it_holds_wherever_it_stands() -> None:
    encoder = TargetEncoder(target_type="continuous")
    encoder.fit(matrix()[:, [PAIR]], trips().duration_minutes)
    columns = ColumnTransformer(
        [("pair", FrozenEstimator(encoder), [PAIR])], remainder="passthrough"
    )
    trees = boosting().fit(columns.fit_transform(matrix()), trips().duration_minutes)
    plain = Pipeline([("columns", columns), ("trees", trees)])
    frozen = Pipeline([("columns", FrozenEstimator(columns)), ("trees", FrozenEstimator(trees))])

    compiled_models = {
        compile_model(model, matrix_of(FEATURES), SOURCES)
        for model in (plain, frozen, FrozenEstimator(FrozenEstimator(plain)))
    }

    assert len(compiled_models) == 1
    assert checked(frozen).largest_difference_minutes < 1e-9


def test_a_frozen_estimator_of_what_is_not_known_is_refused_by_its_name() -> None:
    with pytest.raises(NotCompilable, match="KNeighborsRegressor"):
        compile_model(FrozenEstimator(fitted(KNeighborsRegressor())), matrix_of(FEATURES), SOURCES)


def test_the_courses_model_takes_a_matrix_when_compiled() -> None:
    rides = trips().rides()
    model = make_pipeline(DictVectorizer(), LinearRegression())
    model.fit(features.course_dicts(rides), trips().duration_minutes)

    content, report = compile_checked(model, COURSE, SOURCES)
    opened = CompiledModel(content)
    names = opened.metadata.features

    assert names == ("PU_DO", "trip_distance")
    assert report.largest_difference_minutes < 1e-9
    np.testing.assert_allclose(
        opened.predict(features.matrix(names, rides, [0.0] * len(rides))),
        model.predict(features.course_dicts(rides)),
        rtol=0,
        atol=1e-9,
    )


ZONES_APART = (Field("PULocationID", is_text=True), Field("DOLocationID", is_text=True))


@pytest.mark.parametrize(
    "fields",
    [
        ZONES_APART,
        (*ZONES_APART, *features.COURSE_FIELDS),
        (Field("trip_distance"), Field("hour"), Field("PULocationID")),
    ],
)
def test_a_model_of_dicts_is_compiled_on_what_it_was_fitted_on(fields: tuple[Field, ...]) -> None:
    rides = trips().rides()
    takes = ModelInputs(fields, "dicts")
    dicts = rows(features.columns(fields, rides, [0.0] * len(rides)))
    model = make_pipeline(DictVectorizer(), Ridge()).fit(dicts, trips().duration_minutes)

    content, report = compile_checked(model, takes, SOURCES)
    opened = CompiledModel(content)

    assert opened.metadata.features == takes.names
    assert report.largest_difference_minutes < 1e-9
    minutes = opened.predict(features.matrix(takes.names, rides, [0.0] * len(rides)))
    assert np.ptp(minutes) > 1
    np.testing.assert_allclose(minutes, model.predict(dicts), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([DictVectorizer(), DecisionTreeRegressor(max_depth=2)], "only a DictVectorizer"),
        ([DictVectorizer(dtype=np.float32), Ridge()], "dtype"),
    ],
)
def test_other_models_of_dicts_are_refused(steps: list[Any], why: str) -> None:
    dicts = features.course_dicts(trips().rides())
    model = make_pipeline(*steps).fit(dicts, trips().duration_minutes)

    with pytest.raises(NotCompilable, match=why):
        compile_model(model, COURSE, SOURCES)


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (KNeighborsRegressor(), "KNeighborsRegressor"),
        (make_pipeline(StandardScaler(), KNeighborsRegressor()), "KNeighborsRegressor"),
        (
            TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
            "TransformedTargetRegressor",
        ),
        (make_pipeline(FunctionTransformer(np.log1p), Ridge()), "FunctionTransformer"),
        (
            GradientBoostingRegressor(n_estimators=2, init=LinearRegression()),
            "init=LinearRegression",
        ),
        (make_pipeline(StandardScaler(), encoded(Ridge())[0], Ridge()), "a feature itself"),
        (
            ColumnTransformer([("a", "passthrough", [0])], transformer_weights={"a": 2.0}),
            "ColumnTransformer",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_known_is_refused_by_name(estimator: Any, why: str) -> None:
    with pytest.raises(NotCompilable, match=why):
        compile_model(fitted(estimator), matrix_of(FEATURES), SOURCES)


@pytest.mark.parametrize(
    ("estimator", "targets"),
    [(LinearRegression(), 1), (LinearRegression(), 2), (DecisionTreeRegressor(max_depth=2), 2)],
)
def test_a_model_of_more_than_one_number_a_ride_is_refused(estimator: Any, targets: int) -> None:
    many = np.tile(trips().duration_minutes[:, None], (1, targets))

    with pytest.raises(NotCompilable, match="not one"):
        compile_model(estimator.fit(matrix(), many), matrix_of(FEATURES), SOURCES)


def test_a_model_that_was_never_fitted_is_refused() -> None:
    with pytest.raises(NotCompilable, match="not a fitted"):
        compile_model(LinearRegression(), matrix_of(FEATURES), SOURCES)


@pytest.mark.parametrize(
    ("names", "why"),
    [((*FEATURES[:-1], "fare"), "no features fare"), (FEATURES[:-1], "other columns")],
)
def test_a_model_of_other_features_is_refused(names: Sequence[str], why: str) -> None:
    with pytest.raises(NotCompilable, match=why):
        compile_model(fitted(LinearRegression()), matrix_of(names), SOURCES)


def test_the_same_model_compiles_to_the_same_bytes() -> None:
    model = fitted(encoded(boosting(categorical_features=[WEEKDAY])))
    stored = skops.io.dumps(model)
    read_back = skops.io.loads(stored, trusted=skops.io.get_untrusted_types(data=stored))

    once = compile_model(model, matrix_of(FEATURES), SOURCES)

    assert compile_model(model, matrix_of(FEATURES), dict(reversed(SOURCES.items()))) == once
    assert compile_model(read_back, matrix_of(FEATURES), SOURCES) == once


def test_the_file_says_what_it_takes_and_what_it_was_made_of() -> None:
    content, report = compile_checked(fitted(LinearRegression()), matrix_of(FEATURES), SOURCES)

    metadata = CompiledModel(content).metadata

    assert metadata.features == FEATURES
    assert metadata.sources == SOURCES
    assert metadata.parity == report.parity
    assert metadata.parity.inputs > 20_000


def test_the_function_refuses_a_file_that_was_not_checked(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}")
    files = Directory(tmp_path)
    sources = {"MLmodel": str(files.sha256("MLmodel"))}
    model = fitted(LinearRegression())

    compiled.load(compile_checked(model, matrix_of(FEATURES), sources)[0], files)
    with pytest.raises(ModelRefused, match="from its source"):
        compiled.load(compile_model(model, matrix_of(FEATURES), sources), files)


def test_a_batch_is_sorted_by_what_the_trees_split_on_most_but_categories() -> None:
    model = fitted(encoded(HistGradientBoostingRegressor(max_iter=50, random_state=0)))

    splits = Counter(
        int(column)
        for (predictor,) in model[-1]._predictors
        for column in predictor.nodes["feature_idx"][predictor.nodes["is_leaf"] == 0]
    )
    numeric = [FEATURES[column] for column, _ in splits.most_common() if column > 1]

    metadata = CompiledModel(compile_model(model, matrix_of(FEATURES), SOURCES)).metadata
    assert metadata.sorted_by == tuple(numeric[:2])


def test_few_trees_and_no_trees_score_a_batch_as_it_comes() -> None:
    for estimator in (boosting(), LinearRegression()):
        content = compile_model(fitted(estimator), matrix_of(FEATURES), SOURCES)
        assert CompiledModel(content).metadata.sorted_by is None


def test_a_sorted_batch_gives_each_ride_what_it_gets_alone() -> None:
    names = boosted.FEATURES
    model = CompiledModel(compile_model(standing(trips()), matrix_of(names), SOURCES))
    rides = feature_matrix(names, trips())[:200].copy()
    rides[::7, names.index("trip_distance")] = np.nan
    rides[::5, names.index("minute_of_day")] = np.nan

    alone = [model.predict(ride[None])[0] for ride in rides]

    assert model.metadata.sorted_by is not None
    assert model.predict(rides).tolist() == alone


def test_the_function_refuses_a_file_sorted_by_a_feature_that_it_does_not_take() -> None:
    proto = onnx.load_from_string(
        compile_model(fitted(LinearRegression()), matrix_of(FEATURES), SOURCES)
    )
    facts = {entry.key: entry.value for entry in proto.metadata_props}

    with pytest.raises(ModelRefused, match="cannot be used"):
        CompiledModel(stamp(proto, facts | {"sorted_by": '["hour", "tip"]'}))


@pytest.mark.thorough
def test_a_model_of_real_rides_gives_the_next_months_rides_the_same_minutes() -> None:
    january = read(shared("tlc/green_tripdata_2023-01.parquet")).where(slice(0, 20_000))
    february = read(shared("tlc/green_tripdata_2023-02.parquet"))
    taken = feature_matrix(boosted.FEATURES, february)
    model = standing(january.where(january.duration_minutes > 0))

    content, report = compile_checked(model, matrix_of(boosted.FEATURES), SOURCES)

    assert report.largest_difference_minutes < 1e-9
    difference = CompiledModel(content).predict(taken) - model.predict(taken)
    assert np.abs(difference).max() < 1e-9
