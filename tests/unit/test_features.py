from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from ride_scoring import decode
from ride_scoring.domain import features
from ride_scoring.domain.events import FIRST_ZONE, LAST_ZONE, Ride, RideEvent
from ride_scoring.domain.zones import BOROUGHS
from ride_scoring.errors import ModelRefused
from ride_scoring.fields import Field
from tests.factories import ARRIVED_AT, shared
from training.assess import attribute_groups
from training.models.kind import feature_matrix
from trips import data
from trips.columns import Trips
from trips.profile import drawn

QUEENS, MANHATTAN = BOROUGHS.index("Queens"), BOROUGHS.index("Manhattan")
SATURDAY_MORNING = datetime(2023, 1, 14, 8, 31)  # noqa: DTZ001 - New York, as events carry it


def one(name: str, ride: Ride, arrived_at: float = 0.0) -> float:
    return float(features.matrix([name], [ride], [arrived_at])[0, 0])


def test_each_feature_of_the_catalogue() -> None:
    ride = Ride(130, 205, 3.66, SATURDAY_MORNING)
    expected = {
        "PULocationID": 130,
        "DOLocationID": 205,
        "PU_DO": 130_205,
        "PU_DO_either_way": 130_205,
        "same_zone": 0,
        "PU_borough": QUEENS,
        "DO_borough": QUEENS,
        "PU_DO_borough": 130_000 + QUEENS,
        "PU_borough_DO": QUEENS * 1000 + 205,
        "PU_miles_east": pytest.approx(26.78, abs=0.01),
        "PU_miles_north": pytest.approx(18.18, abs=0.01),
        "DO_miles_east": pytest.approx(28.39, abs=0.01),
        "DO_miles_north": pytest.approx(17.27, abs=0.01),
        "crow_miles": pytest.approx(1.85, abs=0.01),
        "trip_distance": 3.66,
        "detour": pytest.approx(3.66 / 2.35, abs=0.01),
        "hour": 8,
        "minute_of_day": 8 * 60 + 31,
        "weekday": 5,
    }
    assert {name: one(name, ride) for name in features.CATALOGUE} == expected


def test_a_pair_of_zones_is_not_the_pair_the_other_way() -> None:
    assert one("PU_DO", Ride(1, 265, 1.0)) != one("PU_DO", Ride(265, 1, 1.0))


def test_a_pair_that_is_meant_either_way_is_the_same_the_other_way() -> None:
    there, back = Ride(1, 265, 1.0), Ride(265, 1, 1.0)
    assert one("PU_DO_either_way", there) == one("PU_DO_either_way", back) == 1_265


def test_a_zone_and_a_borough_say_which_of_them_the_ride_starts_in() -> None:
    to_manhattan, from_manhattan = Ride(130, 4, 1.0), Ride(4, 130, 1.0)
    assert one("PU_DO_borough", to_manhattan) == 130_000 + MANHATTAN
    assert one("PU_borough_DO", from_manhattan) == MANHATTAN * 1000 + 130


@pytest.mark.parametrize(("dropoff", "same"), [(130, 1), (131, 0)])
def test_a_ride_within_a_zone_is_told_from_others(dropoff: int, same: int) -> None:
    assert one("same_zone", Ride(130, dropoff, 1.0)) == same


@pytest.mark.parametrize(("pickup", "dropoff"), [(130, 265), (264, 130), (265, 265)])
def test_a_ride_from_or_to_nowhere_on_the_map_has_no_miles_as_the_crow_flies(
    pickup: int, dropoff: int
) -> None:
    assert one("crow_miles", Ride(pickup, dropoff, 3.0)) == -1.0
    assert one("detour", Ride(pickup, dropoff, 3.0)) == 6.0


def test_a_ride_within_a_zone_has_a_detour() -> None:
    assert one("crow_miles", Ride(130, 130, 1.5)) == 0.0
    assert one("detour", Ride(130, 130, 1.5)) == 3.0


@pytest.mark.parametrize("zone", [FIRST_ZONE - 1, LAST_ZONE + 1])
def test_a_number_beside_the_zones_has_every_feature(zone: int) -> None:
    matrix = features.matrix(list(features.CATALOGUE), [Ride(zone, zone, 1.0)], [0.0])
    assert np.isfinite(matrix).all()


def test_the_columns_are_in_the_order_that_is_asked_for() -> None:
    matrix = features.matrix(["trip_distance", "PULocationID"], [Ride(130, 205, 3.66)] * 2, [0, 0])
    assert matrix.tolist() == [[3.66, 130.0], [3.66, 130.0]]
    assert matrix.dtype == np.float64


def test_the_hour_is_new_yorks_whatever_offset_a_ride_carries() -> None:
    in_utc = datetime(2023, 7, 14, 3, 0, tzinfo=UTC)
    assert one("hour", Ride(1, 1, 1.0, in_utc)) == 23
    assert one("minute_of_day", Ride(1, 1, 1.0, in_utc)) == 23 * 60
    assert one("weekday", Ride(1, 1, 1.0, in_utc)) == 3


def test_the_arrival_stands_in_for_a_pickup_time_that_is_missing() -> None:
    arrived_at = datetime(2023, 1, 14, 13, 31, tzinfo=UTC).timestamp()
    assert one("hour", Ride(1, 1, 1.0), arrived_at) == 8


def test_a_feature_that_is_not_in_the_catalogue_is_refused() -> None:
    with pytest.raises(ModelRefused, match="passengers"):
        features.require_known([Field("hour"), Field("passengers")])
    with pytest.raises(ModelRefused, match="takes hour as text"):
        features.require_known([Field("hour", is_text=True)])


def same_bits(ridden: Trips) -> bool:
    """Training's features against those of the same rides as events that the function decodes."""
    names = tuple(features.CATALOGUE)
    events = [msgspec.json.encode(RideEvent(0, ride)) for ride in ridden.rides()]
    rides = [decode.decode(event).ride for event in events]
    served = features.matrix(names, rides, [ARRIVED_AT] * len(rides))
    return served.tobytes() == feature_matrix(names, ridden).tobytes()


def test_training_and_serving_compute_the_same_bits() -> None:
    assert same_bits(drawn.synthetic(3_000, seed=2))


def test_training_and_serving_compute_the_same_bits_of_real_rides() -> None:
    path = shared("tlc/green_tripdata_2023-01.parquet")
    ridden = data.read([str(path)]).trips
    assert same_bits(ridden.where(slice(0, None, 7)))


def test_the_course_gets_its_dicts() -> None:
    assert features.course_dicts([Ride(130, 205, 3.66)]) == [
        {"PU_DO": "130_205", "trip_distance": 3.66}
    ]


def test_each_feature_is_made_from_a_named_attribute() -> None:
    made = set().union(*features.ATTRIBUTES.values())
    assert made <= set(features.CATALOGUE)
    assert made > features.CATEGORIES
    assert not features.CATEGORIES & features.FRACTIONAL


def test_a_feature_of_an_attribute_without_a_name_is_a_group_of_its_own() -> None:
    assert attribute_groups(["PU_DO", "detour", "passenger_count", "hour"]) == {
        "zones": ["PU_DO", "detour"],
        "distance": ["detour"],
        "pickup time": ["hour"],
        "passenger_count": ["passenger_count"],
    }
