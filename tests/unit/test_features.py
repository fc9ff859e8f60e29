from datetime import UTC, datetime

import numpy as np
import pytest

from ride_scoring import features
from ride_scoring.errors import ModelRefused
from ride_scoring.events import Ride
from stream_sim import trips
from training.pipeline import FEATURES
from training.train import feature_matrix

SATURDAY_MORNING = datetime(2023, 1, 14, 8, 31)  # noqa: DTZ001 - New York, as events carry it


def one(name: str, ride: Ride, arrived_at: float = 0.0) -> float:
    return float(features.matrix([name], [ride], [arrived_at])[0, 0])


def test_each_feature_of_the_catalogue() -> None:
    ride = Ride(130, 205, 3.66, SATURDAY_MORNING)
    expected = {
        "PULocationID": 130,
        "DOLocationID": 205,
        "PU_DO": 130_205,
        "trip_distance": 3.66,
        "hour": 8,
        "weekday": 5,
    }
    assert {name: one(name, ride) for name in features.CATALOGUE} == expected


def test_a_pair_of_zones_is_not_the_pair_the_other_way() -> None:
    assert one("PU_DO", Ride(1, 265, 1.0)) != one("PU_DO", Ride(265, 1, 1.0))


def test_the_columns_are_in_the_order_that_is_asked_for() -> None:
    matrix = features.matrix(["trip_distance", "PULocationID"], [Ride(130, 205, 3.66)] * 2, [0, 0])
    assert matrix.tolist() == [[3.66, 130.0], [3.66, 130.0]]
    assert matrix.dtype == np.float64


def test_the_hour_is_new_yorks_whatever_offset_a_ride_carries() -> None:
    in_utc = datetime(2023, 7, 14, 3, 0, tzinfo=UTC)
    assert one("hour", Ride(1, 1, 1.0, in_utc)) == 23
    assert one("weekday", Ride(1, 1, 1.0, in_utc)) == 3


def test_the_arrival_stands_in_for_a_pickup_time_that_is_missing() -> None:
    arrived_at = datetime(2023, 1, 14, 13, 31, tzinfo=UTC).timestamp()
    assert one("hour", Ride(1, 1, 1.0), arrived_at) == 8


def test_a_feature_that_is_not_in_the_catalogue_is_refused() -> None:
    with pytest.raises(ModelRefused, match="passengers"):
        features.require_known(["hour", "passengers"])


def test_training_and_serving_compute_the_same_bits() -> None:
    ridden = trips.synthetic(500, seed=3)
    served = features.matrix(FEATURES, ridden.rides(), [1e9] * len(ridden))
    assert served.tobytes() == feature_matrix(ridden).tobytes()


def test_the_course_gets_its_dicts() -> None:
    assert features.course_dicts([Ride(130, 205, 3.66)]) == [
        {"PU_DO": "130_205", "trip_distance": 3.66}
    ]
