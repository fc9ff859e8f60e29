"""A compiled model that is not its source is found out, however small the damage."""

import functools
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import AttributeProto, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder

from ride_scoring.models.inputs import matrix_of
from training.compiler import NotCompilable, compile_model
from training.compiler.parity import ParityReport, check
from training.models.kind import feature_matrix
from trips.profile.drawn import synthetic

FEATURES = ("PU_DO", "PULocationID", "DOLocationID", "trip_distance", "hour", "weekday")
SOURCES = {"MLmodel": "0" * 64}
DISTANCE = FEATURES.index("trip_distance")


@functools.cache
def model() -> Pipeline:
    pair = ("pair", TargetEncoder(target_type="continuous"), [0])
    columns = ColumnTransformer([pair], remainder="passthrough")
    trees = HistGradientBoostingRegressor(max_iter=40, early_stopping=False, random_state=0)
    return fitted(Pipeline([("encode", columns), ("regress", trees)]))


def fitted(estimator: Any) -> Any:
    trips = synthetic(4_000, seed=7)
    return estimator.fit(feature_matrix(FEATURES, trips), trips.duration_minutes)


def damaged(
    estimator: Any, operator: str, damage: Callable[[dict[str, AttributeProto]], None]
) -> bytes:
    """The compiled file after `damage` to the attributes of its first such operator."""
    graph = onnx.load_from_string(compile_model(estimator, matrix_of(FEATURES), SOURCES))
    node = next(node for node in graph.graph.node if node.op_type == operator)
    damage({attribute.name: attribute for attribute in node.attribute})
    content: bytes = graph.SerializeToString()
    return content


def numbers(attribute: AttributeProto) -> NDArray[np.float64]:
    return numpy_helper.to_array(attribute.t).copy()


def put(attribute: AttributeProto, values: NDArray[np.float64]) -> None:
    attribute.t.CopyFrom(numpy_helper.from_array(values))


def split_on(attributes: dict[str, AttributeProto], column: int, which: int) -> int:
    columns = np.array(attributes["nodes_featureids"].ints)
    return int(np.flatnonzero(columns == column)[which])


@pytest.mark.parametrize("direction", [-np.inf, np.inf])
@pytest.mark.parametrize("which", [0, 50, -1])
def test_a_threshold_moved_by_one_double_is_found(direction: float, which: int) -> None:
    def move(attributes: dict[str, AttributeProto]) -> None:
        thresholds = numbers(attributes["nodes_splits"])
        moved = split_on(attributes, DISTANCE, which)
        thresholds[moved] = np.nextafter(thresholds[moved], direction)
        put(attributes["nodes_splits"], thresholds)

    with pytest.raises(NotCompilable, match=r"differs by .* minutes on the ride .*trip_distance"):
        check(damaged(model(), "TreeEnsemble", move), model(), matrix_of(FEATURES))


def test_thresholds_in_single_precision_are_found() -> None:
    def round_all(attributes: dict[str, AttributeProto]) -> None:
        thresholds = numbers(attributes["nodes_splits"])
        put(attributes["nodes_splits"], thresholds.astype(np.float32).astype(np.float64))

    with pytest.raises(NotCompilable, match="differs by"):
        check(damaged(model(), "TreeEnsemble", round_all), model(), matrix_of(FEATURES))


def test_missing_values_that_take_the_other_side_are_found() -> None:
    def flip(attributes: dict[str, AttributeProto]) -> None:
        sides = attributes["nodes_missing_value_tracks_true"].ints
        flipped = split_on(attributes, DISTANCE, 0)  # below it, missing values have one way
        sides[flipped] = 1 - sides[flipped]

    with pytest.raises(NotCompilable, match="of the missing values"):
        check(damaged(model(), "TreeEnsemble", flip), model(), matrix_of(FEATURES))


def test_a_category_that_means_something_else_is_found() -> None:
    def change(attributes: dict[str, AttributeProto]) -> None:
        codes = numbers(attributes["values_tensor"])
        codes[codes.argmin()] = codes.max()
        put(attributes["values_tensor"], codes)

    with pytest.raises(NotCompilable, match="differs by"):
        check(damaged(model(), "LabelEncoder", change), model(), matrix_of(FEATURES))


def test_a_set_of_categories_that_lacks_one_is_found() -> None:
    by_weekday = fitted(HistGradientBoostingRegressor(max_iter=20, categorical_features=[5]))

    def lose(attributes: dict[str, AttributeProto]) -> None:
        members = numbers(attributes["membership_values"])
        several = np.flatnonzero(~np.isnan(members[:-1]) & ~np.isnan(members[1:]))[0]
        put(attributes["membership_values"], np.delete(members, several))

    with pytest.raises(NotCompilable, match="differs by"):
        check(damaged(by_weekday, "TreeEnsemble", lose), by_weekday, matrix_of(FEATURES))


def test_a_leaf_that_is_no_number_is_found() -> None:
    def spoil(attributes: dict[str, AttributeProto]) -> None:
        leaves = numbers(attributes["leaf_weights"])
        leaves[0] = np.nan
        put(attributes["leaf_weights"], leaves)

    with pytest.raises(NotCompilable, match="differs by inf minutes"):
        check(damaged(model(), "TreeEnsemble", spoil), model(), matrix_of(FEATURES))


def test_a_file_that_the_function_cannot_open_is_found() -> None:
    content = compile_model(model(), matrix_of(FEATURES), SOURCES)

    with pytest.raises(NotCompilable, match="the function refuses"):
        check(content[: len(content) // 2], model(), matrix_of(FEATURES))


def test_what_the_source_takes_no_rides_with_is_said() -> None:
    linear = fitted(LinearRegression())

    report = check(compile_model(linear, matrix_of(FEATURES), SOURCES), linear, matrix_of(FEATURES))

    assert "no trip_distance" in report.refused
    assert "missing values" not in report.groups


def test_of_a_forest_of_many_splits_some_are_tried_and_the_report_says_how_many() -> None:
    forest = fitted(RandomForestRegressor(3, random_state=0))

    report = check(compile_model(forest, matrix_of(FEATURES), SOURCES), forest, matrix_of(FEATURES))

    assert 3_000 < report.splits_tried < report.splits


def test_the_report_is_the_same_each_time_and_counts_every_ride() -> None:
    content = compile_model(model(), matrix_of(FEATURES), SOURCES)

    report = check(content, model(), matrix_of(FEATURES))

    assert check(content, model(), matrix_of(FEATURES)) == report
    assert report.rides == sum(group.rides for group in report.groups.values())
    assert {"ridden", "every pair of zones", "edges", "thresholds", "categories"} <= set(
        report.groups
    )
    assert msgspec.json.decode(msgspec.json.encode(report), type=ParityReport) == report
