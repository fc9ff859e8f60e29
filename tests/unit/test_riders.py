"""Rides with and without faults, held against what the function makes of each record."""

import base64
import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.common import spec
from ride_scoring import decode
from ride_scoring.errors import CannotScore, RejectReason
from ride_scoring.streams import kpl, unpack
from ride_scoring.streams.records import KinesisRecord
from stream_sim.kinesis.outgoing import OutgoingRecord, packed
from stream_sim.ledger import Run, ride_id
from stream_sim.traffic import faults, payloads
from stream_sim.traffic.arrivals import Times
from stream_sim.traffic.riders import Riders
from stream_sim.traffic.sources import Replay, RideSource, Synthetic
from tests.factories import shared
from trips import profile, rules, tlc
from trips.columns import Trips
from trips.drift import DRIFTS
from trips.profile import drawn

RUN = Run("0123abcd", 3, 4, 1_673_703_060.0, "events", {}, {})

Said = tuple[str | None, RejectReason | None]
"""A ride's id as the function reads it, and why the function rejects it."""


def arrivals(count: int, rate: float = 1_000.0, block: int = 700) -> Iterator[Times]:
    times = np.linspace(0.0, count / rate, count, endpoint=False) + 0.5 / rate
    return (times[first : first + block] for first in range(0, count, block))


def outgoing(
    count: int,
    *texts: str,
    malformed: float = 0.0,
    source: RideSource | None = None,
    seed: int = 1,
    rate: float = 1_000.0,
    drifts: Sequence[str] = (),
) -> list[OutgoingRecord]:
    riders = Riders(
        RUN,
        source or Synthetic(profile.load(), seed),
        [spec.parse(text, DRIFTS, "--drift") for text in drifts],
        faults.parse(texts, malformed),
        np.random.SeedSequence(seed),
    )
    return list(riders.records(arrivals(count, rate)))


def said(record: OutgoingRecord) -> list[Said]:
    """What the function makes of each event in the record."""
    text = base64.b64encode(record.data).decode()
    found: list[Said] = []
    try:
        events = unpack.arrivals(0, KinesisRecord("s:1", "1", record.partition_key, 0.0, text))
    except CannotScore as cause:
        return [(None, cause.reason)]
    for event in events:
        try:
            found.append((str(decode.decode(event.data).ride_id), None))
        except CannotScore as cause:
            found.append((None, cause.reason))
    return found


def expected(record: OutgoingRecord) -> list[Said]:
    """The same by what the ledger is told."""
    return [
        (None, ride.reason)
        if ride.reason
        else (ride_id(RUN, number if ride.copy_of is None else ride.copy_of), None)
        for number, ride in enumerate(record.rides, start=record.first)
    ]


def numbers(records: Sequence[OutgoingRecord]) -> list[int]:
    return [record.first + index for record in records for index in range(len(record.rides))]


def test_every_ride_is_its_event_numbered_as_it_is_sent() -> None:
    ridden = drawn.synthetic(1_500, 1)
    records = outgoing(1_500, source=Replay(ridden))
    assert numbers(records) == list(range(1_500))
    for number, (record, ride) in enumerate(zip(records, ridden.rides(), strict=True)):
        event = decode.decode(record.data)
        assert (event.ride_id, event.ride) == (f"0123abcd-3-{number}", ride)
        assert record.partition_key == event.ride_id
        assert record.due == pytest.approx((number + 0.5) / 1_000)
    assert [record.rides[0].minutes for record in records] == ridden.duration_minutes.tolist()


@pytest.mark.parametrize("kind", faults.KINDS)
def test_the_function_says_of_each_fault_what_the_ledger_is_told(kind: str) -> None:
    count = 40 if kind == faults.HUGE else 400
    records = outgoing(count, f"{kind}=0.5")
    assert numbers(records) == list(range(len(numbers(records))))
    for record in records:
        assert said(record) == expected(record)
    kinds = Counter(ride.fault for record in records for ride in record.rides)
    assert set(kinds) == {None, kind}
    assert 0.3 * count < kinds[kind] < 0.7 * count


@pytest.mark.parametrize("together", [2, 50])
def test_packed_with_others_every_fault_is_still_what_the_ledger_is_told(together: int) -> None:
    texts = [f"{kind}=0.06" for kind in faults.KINDS if kind != faults.HUGE]
    found = outgoing(2_000, *texts)
    runs = itertools.groupby(found, lambda record: record.alone)
    loose = [list(records) for alone, records in runs if not alone]
    for records in loose:
        for first in range(0, len(records), together):
            for one in packed(records[first : first + together]):
                assert one.packed == len(one.rides)
                assert said(one) == expected(one)


def test_aggregates_of_nothing_but_empty_events_are_read() -> None:
    for one in packed(outgoing(500, "empty=1")):
        assert said(one) == expected(one)


def test_faults_and_drift_and_all_are_the_same_for_the_same_seed() -> None:
    def made(seed: int) -> list[OutgoingRecord]:
        texts = [f"{kind}=0.05" for kind in faults.KINDS if kind != faults.HUGE]
        return outgoing(3_000, *texts, seed=seed, drifts=["vanished", "growth"])

    assert made(5) == made(5)
    assert made(5) != made(6)


def test_late_rides_come_2_to_10_seconds_late_and_lose_their_turn() -> None:
    records = outgoing(20_000, "late=0.3")
    assert sorted(record.due for record in records) == [record.due for record in records]
    assert numbers(records) == list(range(20_000))
    late = [record for record in records if record.rides[0].fault == faults.LATE]
    assert 2.0 < late[0].due < 2.5
    assert 29.5 < late[-1].due < 30.0
    # Of those that arrive in 20 seconds, 0.3 are due later than that.
    after = sum(record.due > 20.0 for record in records)
    assert after == pytest.approx(0.3 * 20_000 * 0.3, rel=0.05)


def test_rides_out_of_order_are_overtaken_within_a_second() -> None:
    ridden = drawn.synthetic(5_000, 1)
    minutes = {minutes: index for index, minutes in enumerate(ridden.duration_minutes.tolist())}
    records = outgoing(5_000, "out-of-order=0.2", source=Replay(ridden))
    places = [minutes[record.rides[0].minutes] for record in records]
    assert places != sorted(places)
    moved = [number - place for number, place in enumerate(places)]
    assert 700 < max(moved) < 1_000
    assert [record.due for record in records] == sorted(record.due for record in records)


def test_a_copy_has_a_number_of_its_own_and_the_bytes_of_its_original() -> None:
    records = outgoing(5_000, "duplicate=0.2", malformed=0.3)
    by_number = {record.first: record for record in records}
    copies = [record for record in records if record.rides[0].fault == faults.DUPLICATE]
    assert len(records) == 5_000 + len(copies)
    assert 900 < len(copies) < 1_100
    for copy in copies:
        of = copy.rides[0].copy_of
        assert of is not None
        original = by_number[of]
        assert (copy.data, copy.partition_key) == (original.data, original.partition_key)
        assert copy.rides[0].minutes == original.rides[0].minutes
        assert original.rides[0].fault is None
        assert original.due <= copy.due <= original.due + 2.0
        assert copy.alone


def test_a_huge_record_is_as_large_as_kinesis_takes() -> None:
    records = outgoing(3, "huge=1")
    assert {len(record.data) + len(record.partition_key) for record in records} == {1024 * 1024}
    assert all(record.alone for record in records)


def test_aggregates_hold_2_to_20_rides_that_arrived_one_after_the_other() -> None:
    ridden = drawn.synthetic(3_000, 1)
    records = outgoing(3_000, "aggregated=0.5", source=Replay(ridden))
    sizes = Counter(record.packed for record in records)
    assert set(sizes) == {0, *range(2, 21)}
    minutes = [ride.minutes for record in records for ride in record.rides]
    assert minutes == ridden.duration_minutes.tolist()
    assert all(kpl.is_aggregated(record.data) == bool(record.packed) for record in records)


def test_what_is_held_back_when_the_rides_end_is_sent_in_its_turn() -> None:
    texts = ("late=0.4", "aggregated=0.3", "duplicate=0.2")
    found = outgoing(50, *texts, source=Replay(drawn.synthetic(30, 1)))
    copies = sum(ride.copy_of is not None for record in found for ride in record.rides)
    assert len(numbers(found)) == 30 + copies
    assert numbers(found) == list(range(30 + copies))


def test_a_drift_changes_the_rides_from_its_second_on() -> None:
    ridden = drawn.synthetic(2_000, 1)
    records = outgoing(2_000, source=Replay(ridden), drifts=["kilometres:after_seconds=1"])
    miles = [decode.decode(record.data).ride.trip_distance for record in records]
    assert miles[:1_000] == ridden.distance_miles[:1_000].tolist()
    assert miles[1_000:] == pytest.approx((ridden.distance_miles[1_000:] * 1.609344).round(2))


def odd_trips(**columns: Sequence[Any]) -> Trips:
    """Copies of a plain trip with other values in some columns."""
    (count,) = {len(values) for values in columns.values()}
    plain = drawn.synthetic(1, 1).where(np.zeros(count, dtype=np.int64))
    replaced = {
        name: np.array(values, dtype=getattr(plain, name).dtype) for name, values in columns.items()
    }
    return dataclasses.replace(plain, **replaced)


@given(
    st.lists(
        st.tuples(
            st.integers(-3, 270),
            st.integers(-3, 270),
            st.one_of(st.floats(-10, 210), st.floats(), st.sampled_from([0.0, -0.0, 200.0])),
            st.integers(-3_000_000_000, 9_000_000_000),
        ),
        min_size=1,
    )
)
def test_whatever_is_ridden_is_rejected_as_the_ledger_is_told(
    rows: list[tuple[int, int, float, int]],
) -> None:
    pickup_zone, dropoff_zone, miles, seconds = zip(*rows, strict=True)
    ridden = odd_trips(
        pickup_zone=pickup_zone,
        dropoff_zone=dropoff_zone,
        distance_miles=miles,
        pickup=[np.datetime64(second, "s") for second in seconds],
    )
    records = outgoing(len(rows), source=Replay(ridden))
    assert [said(record) for record in records] == [expected(record) for record in records]
    ordinary = rules.scorable(ridden).tolist()
    decoded = [payloads.reason(payloads.event("1", ride)) is None for ride in ridden.rides()]
    assert ordinary == decoded


def test_the_edges_of_what_is_scored_are_scored() -> None:
    ridden = odd_trips(
        pickup_zone=[1, 265, 0, 266], distance_miles=[0.0, 200.0, 200.01, float("nan")]
    )
    reasons = [record.rides[0].reason for record in outgoing(4, source=Replay(ridden))]
    assert reasons == [None, None, "out_of_range", "schema"]


def test_real_trips_hold_broken_meters_that_must_be_rejected() -> None:
    ridden = tlc.read(shared("tlc/green_tripdata_2023-01.parquet"))
    records = outgoing(len(ridden), source=Replay(ridden))
    assert len(records) == 68_211
    reasons = [record.rides[0].reason for record in records]
    assert 13 <= reasons.count("out_of_range") <= 80
    assert set(reasons) == {None, "out_of_range"}
    assert all(said(record) == expected(record) for record in records)
