"""The simulated stream keeps Kinesis's rules."""

import pytest

from stream_sim.simulation.world.clock import Clock
from stream_sim.simulation.world.stream import (
    HASH_KEYS,
    ITERATOR_SECONDS,
    LARGE_RECORD_BYTES,
    THROTTLED,
    Entry,
    IteratorExpired,
    Stream,
    Taken,
)
from tests.simulated import DAY, entry


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


def stream(clock: Clock, shards: int = 1, **settings: bool) -> Stream:
    return Stream(clock, shards, retention_seconds=DAY, **settings)


def read(stream: Stream, shard: int = 0) -> list[bytes]:
    found, _ = stream.read(stream.from_horizon(stream.shards[shard]), 10_000)
    return [record.data for record in found]


def test_a_record_goes_to_the_shard_that_its_keys_md5_lies_in(clock: Clock) -> None:
    halves = stream(clock, 2)
    # MD5 of "a" begins with 0c, of "b" with 92.
    halves.put([Entry(b"low", "a"), Entry(b"high", "b"), entry("said", key="a", place=0.9)])
    assert (read(halves, 0), read(halves, 1)) == ([b"low"], [b"high", b"said"])


def test_a_second_of_a_shard_takes_a_thousand_records_and_the_rest_is_refused(clock: Clock) -> None:
    one = stream(clock)
    first = [one.put([entry("r")] * 500) for _ in range(2)]
    assert all(isinstance(taken, Taken) for call in first for taken in call)
    assert one.put([entry("r")]) == [THROTTLED]
    clock.now += 0.5
    refused = one.put([entry("r")] * 500) + one.put([entry("r")])
    assert refused.count(THROTTLED) == 1


def test_a_second_of_a_shard_takes_a_mebibyte(clock: Clock) -> None:
    one = stream(clock)
    large = [entry("r", size=400_000)] * 3
    assert [isinstance(taken, Taken) for taken in one.put(large)] == [True, True, False]


def test_a_stream_for_large_records_takes_one_at_once_and_makes_up_for_it(clock: Clock) -> None:
    large = Stream(clock, 1, retention_seconds=DAY, record_bytes=LARGE_RECORD_BYTES)
    assert isinstance(large.put([entry("r", size=LARGE_RECORD_BYTES - 4)])[0], Taken)
    assert large.put([entry("r", size=1_000)]) == [THROTTLED]
    clock.now += 1.0
    assert isinstance(large.put([entry("r", size=1_000_000)])[0], Taken)


@pytest.mark.parametrize(
    "entries",
    [[], [entry("r")] * 501, [entry("r", size=1024 * 1024)], [entry("r", size=900_000)] * 12],
)
def test_a_call_that_aws_would_refuse_is_no_call(clock: Clock, entries: list[Entry]) -> None:
    with pytest.raises(ValueError, match="bytes"):
        stream(clock).put(entries)


def test_numbers_grow_within_a_shard_and_may_be_the_same_in_two(clock: Clock) -> None:
    alone = stream(clock, 2, own_numbers=True)
    taken = alone.put([entry("x", place=0.1), entry("y", place=0.9), entry("z", place=0.1)])
    numbers = [(item.shard_id[-1], item.sequence_number) for item in taken if item != THROTTLED]  # type: ignore[union-attr]
    assert numbers == [("0", 1_000), ("1", 1_000), ("0", 2_000)]


def test_a_split_leaves_its_records_in_the_parent_and_halves_its_keys(clock: Clock) -> None:
    one = stream(clock)
    one.put([entry("before", place=0.9)])
    one.split(one.shards[0])
    one.put([entry("low", place=0.4), entry("high", place=0.6)])
    assert [read(one, shard) for shard in range(3)] == [[b"before"], [b"low"], [b"high"]]
    parent, low, high = one.shards
    assert low.parents == high.parents == (parent.shard_id,)
    assert (low.first, low.last + 1, high.last + 1) == (0, high.first, HASH_KEYS)


def test_a_merge_takes_both_ranges_and_names_both_parents(clock: Clock) -> None:
    two = stream(clock, 2)
    two.merge(*two.open_shards())
    two.put([entry("low", place=0.1), entry("high", place=0.9)])
    assert read(two, 2) == [b"low", b"high"]
    assert two.shards[2].parents == (two.shards[0].shard_id, two.shards[1].shard_id)


def test_a_closed_shard_ends_and_an_open_one_does_not(clock: Clock) -> None:
    one = stream(clock)
    one.put([entry("r")])
    assert one.read(one.from_horizon(one.shards[0]), 10)[1] is not None
    one.split(one.shards[0])
    assert one.read(one.from_horizon(one.shards[0]), 10)[1] is None


def test_iterators_begin_where_they_say(clock: Clock) -> None:
    one = stream(clock)
    (first,) = one.put([entry("first")])
    clock.now = 10.0
    one.put([entry("second")])
    shard = one.shards[0]
    assert isinstance(first, Taken)
    found = [
        [record.data for record in one.read(iterator, 10)[0]]
        for iterator in (
            one.from_horizon(shard),
            one.from_latest(shard),
            one.from_timestamp(shard, 10.0),
            one.from_timestamp(shard, 10.1),
            one.behind(shard, first.sequence_number),
        )
    ]
    assert found == [[b"first", b"second"], [], [b"second"], [], [b"second"]]


def test_an_iterator_is_good_for_five_minutes(clock: Clock) -> None:
    one = stream(clock)
    iterator = one.from_horizon(one.shards[0])
    clock.now = ITERATOR_SECONDS
    one.read(iterator, 1)
    clock.now += 0.001
    with pytest.raises(IteratorExpired):
        one.read(iterator, 1)


def test_a_record_expires_a_day_after_it_came(clock: Clock) -> None:
    one = stream(clock)
    one.put([entry("old")])
    clock.now = DAY / 2
    one.put([entry("young")])
    clock.now = DAY
    assert read(one) == [b"old", b"young"]
    clock.now += 1
    assert read(one) == [b"young"]


def test_what_is_read_beyond_two_mebibytes_a_second_is_made_up_for(clock: Clock) -> None:
    one = stream(clock)
    for _ in range(4):
        clock.now += 1.0
        one.put([entry("r", size=700_000)])
    iterator = one.from_horizon(one.shards[0])
    found, behind = one.read(iterator, 10)
    assert len(found) == 4
    one.put([entry("later")])
    assert behind is not None
    assert one.read(behind, 10)[0] == []
    clock.now += 1.0
    assert len(one.read(behind, 10)[0]) == 1


def test_a_read_gives_ten_mebibytes_at_most(clock: Clock) -> None:
    one = stream(clock)
    for _ in range(14):
        clock.now += 1.0
        one.put([entry("r", size=900_000)])
    assert len(one.read(one.from_horizon(one.shards[0]), 100)[0]) == 11
