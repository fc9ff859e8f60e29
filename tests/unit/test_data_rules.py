import json
from typing import Any

import numpy as np
import pytest

from ride_scoring.decode import decode
from ride_scoring.domain.events import PICKUP_YEARS
from ride_scoring.errors import CannotScore
from tests import trip_files
from tests.factories import event_json, shared
from trips import trip_records
from trips.rules import RULES, apply
from trips.trip_records import TripRecords

AT = trip_files.JANUARY
TYPES = {"these": "types", "are": "read", "by": "no", "one": "of", "our": "rules"}
MISSING = "missing value"
YEAR = "pickup outside of the years 1970 to 2199"
ZONE = "zone outside of 1 to 265"
DISTANCE = "distance outside of 0 to 200 miles"
DURATION = "duration outside of 1 to 60 minutes"


def one(
    pickup: np.datetime64 = AT,
    minutes: float = 10,
    zones: tuple[float, float] = (1, 265),
    miles: float = 2.5,
) -> TripRecords:
    """A record that all rules keep, but for what is changed."""
    dropoff = pickup + np.timedelta64(round(minutes * 60_000_000), "us")
    return TripRecords(
        np.array([pickup], dtype="datetime64[us]"),
        np.array([dropoff], dtype="datetime64[us]"),
        np.array([zones[0]]),
        np.array([zones[1]]),
        np.array([miles]),
        TYPES,
    )


NOT_A_TIME = np.datetime64("NaT", "us")
CASES: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"minutes": 1.0}, None),
    ({"minutes": 60.0}, None),
    ({"minutes": 59.99 / 60}, DURATION),
    ({"minutes": 60.0001}, DURATION),
    ({"minutes": -5}, DURATION),
    ({"miles": 0.0}, None),
    ({"miles": 200.0}, None),
    ({"miles": -0.01}, DISTANCE),
    ({"miles": 200.01}, DISTANCE),
    ({"miles": np.nan}, MISSING),
    ({"miles": np.inf}, MISSING),
    ({"zones": (0, 1)}, ZONE),
    ({"zones": (1, 266)}, ZONE),
    ({"zones": (1, 2.5)}, ZONE),
    ({"zones": (np.nan, 1)}, MISSING),
    ({"zones": (1, np.nan)}, MISSING),
    ({"pickup": NOT_A_TIME}, MISSING),
    ({"pickup": np.datetime64("1970-01-01", "us")}, None),
    ({"pickup": np.datetime64("1969-12-31T23:59:59", "us")}, YEAR),
    ({"pickup": np.datetime64("2199-12-31T23:59:59", "us")}, None),
    ({"pickup": np.datetime64("2200-01-01", "us")}, YEAR),
    ({"miles": -1, "minutes": 99}, DISTANCE),
]


@pytest.mark.parametrize(("changes", "reason"), CASES)
def test_a_record_is_counted_under_the_first_rule_that_drops_it(
    changes: dict[str, Any], reason: str | None
) -> None:
    kept, counts = apply(RULES["function"], one(**changes))
    assert kept.tolist() == [reason is None]
    assert {count.reason for count in counts if count.dropped} == ({reason} - {None})


@pytest.mark.parametrize(("changes", "reason"), CASES)
def test_the_course_drops_what_is_missing_or_of_another_duration(
    changes: dict[str, Any], reason: str | None
) -> None:
    kept, counts = apply(RULES["course"], one(**changes))
    dropped = reason in {MISSING, DURATION} or changes.get("minutes") == 99
    assert kept.tolist() == [not dropped]
    assert [count.reason for count in counts] == [MISSING, DURATION]


def test_a_share_is_of_all_records_and_of_one_rule_alone() -> None:
    records = TripRecords(
        np.full(4, AT),
        AT + np.array([10, 10, 99, 99]).astype("timedelta64[m]"),
        np.ones(4),
        np.ones(4),
        np.array([1.0, -1.0, -1.0, 1.0]),
        TYPES,
    )
    kept, counts = apply(RULES["function"], records)
    assert kept.tolist() == [True, False, False, False]
    assert [(count.dropped, count.share_kept) for count in counts[-2:]] == [(2, 0.5), (1, 0.5)]


def scored_by_the_function(records: TripRecords, index: int) -> bool:
    distance = float(records.distance_miles[index])
    event = event_json(
        PULocationID=int(records.pickup_zone[index]),
        DOLocationID=int(records.dropoff_zone[index]),
        trip_distance=distance,
        pickup_datetime=str(records.pickup[index].astype("datetime64[s]")),
    )
    assert json.loads(event)["ride"]["trip_distance"] == distance
    try:
        decode(event)
    except CannotScore:
        return False
    return True


def test_the_rules_keep_what_the_function_scores() -> None:
    for changes, reason in CASES:
        records = one(**changes)
        if reason != MISSING and records.pickup_zone[0] % 1 == records.dropoff_zone[0] % 1 == 0:
            assert scored_by_the_function(records, 0) == (reason in {None, DURATION}), changes
    assert PICKUP_YEARS[0] == 1970


def test_the_rules_keep_what_the_function_scores_of_a_real_month() -> None:
    records = trip_records.read(shared("tlc/green_tripdata_2023-01.parquet"))
    kept = np.logical_and.reduce([rule.mask(records) for rule in RULES["function"][:-1]])
    dropped = np.flatnonzero(~kept)
    assert len(dropped) == 36
    assert not any(scored_by_the_function(records, index) for index in dropped.tolist())
    assert all(
        scored_by_the_function(records, index) for index in np.flatnonzero(kept)[::500].tolist()
    )
