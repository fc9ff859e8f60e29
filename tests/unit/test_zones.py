import csv

import numpy as np
import pytest

from ride_scoring.domain import features
from ride_scoring.domain.events import FIRST_ZONE, LAST_ZONE
from ride_scoring.domain.zones import (
    BOROUGHS,
    borough_numbers,
    borough_of,
    has_place,
    miles_east,
    miles_north,
)
from tests.factories import shared
from trips.tlc import read

ZONES = np.arange(FIRST_ZONE, LAST_ZONE + 1).astype(np.float64)


def test_every_borough_is_that_of_the_commissions_table() -> None:
    with shared("tlc/taxi_zone_lookup.csv").open(newline="") as table:
        expected = {int(row["LocationID"]): row["Borough"] for row in csv.DictReader(table)}

    assert {zone: borough_of(zone) for zone in range(FIRST_ZONE, LAST_ZONE + 1)} == expected


@pytest.mark.parametrize(
    ("zone", "borough"),
    [
        (1, "EWR"),
        (4, "Manhattan"),
        (130, "Queens"),
        (254, "Bronx"),
        (257, "Brooklyn"),
        (251, "Staten Island"),
        (264, "Unknown"),
        (265, "N/A"),
    ],
)
def test_a_zone_lies_in_its_borough(zone: int, borough: str) -> None:
    assert borough_of(zone) == borough


def test_a_boroughs_number_is_its_place_among_the_boroughs() -> None:
    names = [BOROUGHS[int(number)] for number in borough_numbers(ZONES)]

    assert names == [borough_of(int(zone)) for zone in ZONES]


def test_a_number_that_is_no_zone_lies_in_no_known_borough() -> None:
    no_zones = [FIRST_ZONE - 1, LAST_ZONE + 1, -7, 10_000]

    assert {borough_of(zone) for zone in no_zones} == {"Unknown"}
    assert set(borough_numbers(np.array(no_zones, dtype=np.float64))) == {0.0}


def test_the_zones_that_the_map_does_not_show_have_no_place() -> None:
    asked = np.append(ZONES, [0.0, 266.0])

    assert asked[~has_place(asked)].tolist() == [264, 265, 0, 266]


def test_the_boroughs_lie_about_manhattan_as_they_do_on_the_map() -> None:
    boroughs = np.array([borough_of(int(zone)) for zone in ZONES])
    east = {name: miles_east(ZONES)[boroughs == name].mean() for name in BOROUGHS}
    north = {name: miles_north(ZONES)[boroughs == name].mean() for name in BOROUGHS}

    assert east["EWR"] < east["Staten Island"] < east["Manhattan"] < east["Queens"]
    assert north["Staten Island"] < north["Brooklyn"] < north["Manhattan"] < north["Bronx"]


def test_no_two_zones_have_one_place() -> None:
    placed = ZONES[has_place(ZONES)]
    places = set(zip(miles_east(placed).tolist(), miles_north(placed).tolist(), strict=True))

    assert len(places) == len(placed)


def test_real_rides_are_a_little_longer_than_the_crow_flies() -> None:
    trips = read(shared("tlc/green_tripdata_2023-01.parquet"))
    apart = trips.where((trips.distance_miles > 0.5) & (trips.distance_miles < 40))
    matrix = features.matrix(["crow_miles"], apart.rides(), [0.0] * len(apart))
    crow, ridden = matrix[:, 0], apart.distance_miles
    far = crow > 1.0

    assert np.corrcoef(crow[far], ridden[far])[0, 1] > 0.9
    assert 1.1 < np.median(ridden[far] / crow[far]) < 1.5
