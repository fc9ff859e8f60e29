"""What a scikit-learn model is given is what it was fitted on, under any name and type."""

from typing import Any, Final

import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from ride_scoring.domain.events import Ride
from ride_scoring.errors import ModelRefused
from ride_scoring.fields import Field
from ride_scoring.models.fitted_on import inputs_of
from ride_scoring.models.inputs import ModelInputs
from ride_scoring.models.mlmodel import Column, Description

RIDES: Final = [Ride(zone, 265 - zone, zone / 10) for zone in range(1, 41)]
MINUTES: Final = [float(zone % 7 + zone) for zone in range(1, 41)]
ARRIVED_AT: Final = [0.0] * len(RIDES)
PICKUP, DROPOFF = Field("PULocationID", is_text=True), Field("DOLocationID", is_text=True)
PAIR, MILES = Field("PU_DO", is_text=True), Field("trip_distance")
NAMELESS: Final = Description({}, None, has_params=False, run_id=None)


def signed(*columns: Column) -> Description:
    return Description({}, columns, has_params=False, run_id=None)


def given(*fields: Field, shape: Any = "dicts") -> Any:
    return ModelInputs(fields, shape).of(RIDES, ARRIVED_AT)


def frame(*fields: Field) -> pd.DataFrame:
    return pd.DataFrame(given(*fields, shape="columns"))


def of_dicts(*fields: Field) -> Pipeline:
    return make_pipeline(DictVectorizer(), Ridge()).fit(given(*fields), MINUTES)


@pytest.mark.parametrize(
    "fields",
    [
        (PAIR, MILES),
        (PICKUP, DROPOFF, MILES),
        (PICKUP, DROPOFF),
        (Field("PULocationID"), Field("DOLocationID"), MILES),
        (PICKUP, Field("DOLocationID"), Field("hour")),
    ],
)
def test_a_vectorizer_is_given_the_names_and_types_that_it_knows(fields: tuple[Field, ...]) -> None:
    fitted = of_dicts(*fields)
    takes = inputs_of(fitted, NAMELESS)
    assert (set(takes.fields), takes.shape) == (set(fields), "dicts")
    predicted = fitted.predict(takes.of(RIDES, ARRIVED_AT))
    assert predicted.tolist() == fitted.predict(given(*fields)).tolist()
    assert len(set(predicted.tolist())) > len(RIDES) / 2


def test_a_vectorizer_with_a_signature_beside_it_is_given_dicts_all_the_same() -> None:
    columns = Column("PULocationID", "string"), Column("trip_distance", "double")
    takes = inputs_of(of_dicts(PICKUP, MILES), signed(*columns))
    assert (set(takes.fields), takes.shape) == ({PICKUP, MILES}, "dicts")


@pytest.mark.parametrize(
    "wrapped",
    [
        FrozenEstimator,
        lambda model: Pipeline([("nothing", "passthrough"), ("model", model)]),
        lambda model: GridSearchCV(model, {"ridge__alpha": [1.0, 2.0]}).fit(given(PICKUP), MINUTES),
        lambda model: TransformedTargetRegressor(model, check_inverse=False).fit(
            given(PICKUP), MINUTES
        ),
    ],
)
def test_a_vectorizer_is_found_inside_what_only_passes_on(wrapped: Any) -> None:
    assert inputs_of(wrapped(of_dicts(PICKUP)), NAMELESS).fields == (PICKUP,)


def test_a_vectorizer_of_another_separator_is_understood() -> None:
    model = make_pipeline(DictVectorizer(separator="::"), Ridge()).fit(
        given(PICKUP, MILES), MINUTES
    )
    assert set(inputs_of(model, NAMELESS).fields) == {PICKUP, MILES}


def test_a_name_that_was_a_number_and_text_is_refused() -> None:
    mixed = [{"PULocationID": "1"}, {"PULocationID": 2.0}]
    model = make_pipeline(DictVectorizer(), Ridge()).fit(mixed, [1.0, 2.0])
    with pytest.raises(ModelRefused, match="PULocationID both as a number and as text"):
        inputs_of(model, NAMELESS)


def test_text_in_a_form_that_no_ride_has_is_refused() -> None:
    floats = [{"PU_DO": f"{ride.pickup_zone}.0_{ride.dropoff_zone}.0"} for ride in RIDES]
    model = make_pipeline(DictVectorizer(), Ridge()).fit(floats, MINUTES)
    with pytest.raises(
        ModelRefused, match=r"PU_DO as '1\.0_264\.0', and rides have it as '130_205'"
    ):
        inputs_of(model, NAMELESS)
    text = pd.DataFrame({"PULocationID": [f"{ride.pickup_zone}.0" for ride in RIDES]})
    model = make_pipeline(OneHotEncoder(), Ridge()).fit(text, MINUTES)
    with pytest.raises(ModelRefused, match=r"PULocationID as '1\.0'"):
        inputs_of(model, NAMELESS)


def test_categories_of_histogram_boosting_are_text() -> None:
    categories = frame(PICKUP, MILES).astype({"PULocationID": "category"})
    model = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=1).fit(categories, MINUTES)
    assert inputs_of(model, NAMELESS).fields == (PICKUP, MILES)


@pytest.mark.parametrize(
    "columns", [["PULocationID", "DOLocationID"], [0, 1], slice(0, 2), [True, True, False]]
)
@pytest.mark.parametrize("encoder", [OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder()])
def test_a_frame_has_text_where_the_encoders_categories_are_text(
    encoder: Any, columns: Any
) -> None:
    transformer = ColumnTransformer([("zones", encoder, columns)], remainder="passthrough")
    model = make_pipeline(transformer, LinearRegression())
    model.fit(frame(PICKUP, DROPOFF, MILES), MINUTES)
    takes = inputs_of(model, NAMELESS)
    assert (takes.fields, takes.shape) == ((PICKUP, DROPOFF, MILES), "columns")
    predicted = model.predict(frame(*takes.fields))
    assert len(set(predicted.tolist())) > len(RIDES) / 2


def test_a_frame_has_numbers_where_the_encoders_categories_are_numbers() -> None:
    fields = Field("PULocationID"), MILES
    transformer = ColumnTransformer(
        [
            ("zones", make_pipeline(OneHotEncoder()), slice("PULocationID", "PULocationID")),
            ("miles", StandardScaler(), ["trip_distance"]),
        ]
    )
    model = make_pipeline(transformer, LinearRegression()).fit(frame(*fields), MINUTES)
    assert inputs_of(model, NAMELESS) == ModelInputs(fields, "columns")


def test_a_signature_says_what_a_frame_has() -> None:
    model = RandomForestRegressor(2).fit(frame(Field("PULocationID"), MILES), MINUTES)
    numbers = Column("PULocationID", "long"), Column("trip_distance", "double")
    assert inputs_of(model, signed(*numbers)).shape == "matrix"
    text = Column("PULocationID", "string"), Column("trip_distance", "double")
    assert inputs_of(model, signed(*text)) == ModelInputs((PICKUP, MILES), "columns")


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]), "LinearRegression"),
        (
            make_pipeline(StandardScaler(), Ridge()).fit([[1.0], [2.0]], [1.0, 2.0]),
            "StandardScaler",
        ),
        (make_pipeline(FeatureHasher(), Ridge()).fit(given(PAIR), MINUTES), "FeatureHasher"),
        (
            make_pipeline(FunctionTransformer(), DictVectorizer(), Ridge()).fit(
                given(PAIR), MINUTES
            ),
            "FunctionTransformer",
        ),
    ],
)
def test_a_model_that_does_not_say_what_it_takes_is_refused(model: Any, named: str) -> None:
    with pytest.raises(ModelRefused, match=f"no signature, and its {named} names no columns"):
        inputs_of(model, NAMELESS)


def test_a_hasher_with_a_signature_is_given_dicts_of_it() -> None:
    model = make_pipeline(FeatureHasher(), Ridge()).fit(given(PAIR), MINUTES)
    takes = inputs_of(model, signed(Column("PU_DO", "string")))
    assert takes == ModelInputs((PAIR,), "dicts")
