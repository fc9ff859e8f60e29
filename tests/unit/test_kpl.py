import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from aws_kinesis_agg import aggregator, deaggregator
from hypothesis import given
from hypothesis import strategies as st

from ride_scoring.streams import kpl
from ride_scoring.streams.kpl import DamagedAggregate, UserRecord
from tests.factories import shared

HASH_KEY = "170141183460469231731687303715884105728"

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)
pairs = st.lists(st.tuples(keys, st.binary(max_size=300)), min_size=1, max_size=40)
hash_keys = st.integers(0, 2**128 - 1).map(str)


def packed_by_aws(records: Sequence[UserRecord]) -> bytes:
    aggregate = aggregator.AggRecord()
    for record in records:
        assert aggregate.add_user_record(
            record.partition_key, record.data, record.explicit_hash_key
        )
    data: bytes = aggregate.get_contents()[2]
    return data


def unpacked_by_aws(data: bytes) -> list[UserRecord]:
    record = {"sequenceNumber": "1", "approximateArrivalTimestamp": 0, "kinesisSchemaVersion": "1"}
    event = {"kinesis": record | {"partitionKey": "a", "data": base64.b64encode(data)}}
    return [
        UserRecord(
            item["kinesis"]["partitionKey"],
            base64.b64decode(item["kinesis"]["data"]),
            item["kinesis"]["explicitHashKey"],
        )
        for item in deaggregator.deaggregate_records([event])
    ]


def with_hash_key(records: Sequence[tuple[str, bytes]], hash_key: str | None) -> list[UserRecord]:
    return [UserRecord(partition_key, data, hash_key) for partition_key, data in records]


def vector(name: str) -> Any:
    return json.loads(shared("kinesis/kpl_vectors.json").read_bytes())[name]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("kpl_generated_rec_with_ehks", "test_deagg_with_real_kpl_data_with_ehks"),
        ("kpl_generated_rec_no_ehks", "test_deagg_with_real_kpl_data_no_ehks"),
        ("kpl_generated_ka_rec", "test_deagg_with_real_kpl_generated_ka_rec_with_ehks"),
    ],
)
def test_records_of_the_real_producer_library_come_apart(record: str, expected: str) -> None:
    found = vector("records")[record]
    data = base64.b64decode(found.get("kinesis", found)["data"])
    assert kpl.is_aggregated(data)
    assert kpl.user_records(data) == [
        UserRecord(item["partitionKey"], item["data"].encode(), item.get("explicitHashKey"))
        for item in vector("expected")[expected]
    ]


def test_a_record_that_is_not_aggregated_is_known_by_its_first_bytes() -> None:
    data = base64.b64decode(vector("records")["kpl_generated_ka_non_agg_rec"]["data"])
    assert not kpl.is_aggregated(data)
    with pytest.raises(DamagedAggregate, match="magic number"):
        kpl.user_records(data)


def test_the_sample_event_of_aws_comes_apart_as_by_its_own_library() -> None:
    event = json.loads(shared("kinesis/SampleLambdaEvent.json").read_bytes())
    (record,) = event["Records"]
    data = base64.b64decode(record["kinesis"]["data"])
    found = kpl.user_records(data)
    assert found == unpacked_by_aws(data)
    assert found[0].data == b"abcdefghijklmnopqrstuvwxyz"
    assert len(found) == 100


@given(pairs, hash_keys)
def test_what_is_packed_here_is_byte_for_byte_what_aws_packs(
    records: list[tuple[str, bytes]], hash_key: str
) -> None:
    packed = kpl.pack(records, hash_key)
    assert unpacked_by_aws(packed) == with_hash_key(records, hash_key)
    assert packed == packed_by_aws(with_hash_key(records, hash_key))


@given(pairs, st.none() | hash_keys)
def test_what_aws_packs_comes_apart_here(
    records: list[tuple[str, bytes]], hash_key: str | None
) -> None:
    packed = with_hash_key(records, hash_key)
    assert kpl.user_records(packed_by_aws(packed)) == packed


@given(st.lists(st.tuples(keys, st.binary(max_size=9), st.none() | hash_keys), min_size=1))
def test_a_user_record_without_a_hash_key_beside_one_with_it_has_none(
    records: list[tuple[str, bytes, str | None]],
) -> None:
    packed = [UserRecord(*record) for record in records]
    assert kpl.user_records(packed_by_aws(packed)) == packed


@pytest.mark.parametrize("count", [1, 127, 128, 2_000])
def test_an_aggregate_of_any_size_survives_both_ways(count: int) -> None:
    records = [(f"ride-{number % 300}", b"x" * (number % 129)) for number in range(count)]
    expected = with_hash_key(records, HASH_KEY)
    assert kpl.user_records(kpl.pack(records, HASH_KEY)) == expected
    assert unpacked_by_aws(kpl.pack(records, HASH_KEY)) == expected
    assert kpl.user_records(packed_by_aws(expected)) == expected


def test_data_may_be_empty_and_long() -> None:
    records = [("a", b""), ("b", b"x" * 500_000), ("a", b"y")]
    assert kpl.user_records(kpl.pack(records, "0")) == with_hash_key(records, "0")


# What is damaged on the way


@given(st.binary())
def test_any_bytes_after_the_magic_number_are_damaged(rest: bytes) -> None:
    with pytest.raises(DamagedAggregate):
        kpl.user_records(kpl.MAGIC + rest)


@given(pairs, st.data())
def test_one_byte_changed_anywhere_is_found(
    records: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    packed = bytearray(kpl.pack(records, HASH_KEY))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedAggregate):
        kpl.user_records(bytes(packed))


@given(pairs, st.data())
def test_a_cut_anywhere_is_found(records: list[tuple[str, bytes]], data: st.DataObject) -> None:
    packed = kpl.pack(records, HASH_KEY)
    start = data.draw(st.integers(0, len(packed)))
    end = data.draw(st.integers(start, len(packed)))
    if end - start < len(packed):
        with pytest.raises(DamagedAggregate):
            kpl.user_records(packed[start:end])


# What is hostile, and whole


def sealed(body: bytes) -> bytes:
    return kpl.MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


def varint(number: int) -> bytes:
    """Written for the tests alone: what is tested must not tell what is expected."""
    low, rest = number % 128, number // 128
    return bytes([low + 128]) + varint(rest) if rest else bytes([low])


def number_field(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def bytes_field(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def unknown_fields(number: int) -> bytes:
    """One field of each wire type that protobuf has."""
    return (
        number_field(number, 2**64 - 1)
        + varint(number << 3 | 1)
        + bytes(8)
        + bytes_field(number, b"\xff" * 200)
        + group(number, number_field(1, 1))
        + varint(number << 3 | 5)
        + bytes(4)
    )


def group(number: int, inside: bytes) -> bytes:
    return varint(number << 3 | 3) + inside + varint(number << 3 | 4)


def nested_groups(depth: int) -> bytes:
    inside = b""
    for _ in range(depth):
        inside = group(9, inside)
    return inside


KEY = bytes_field(1, b"a")
UNTAGGED = number_field(1, 0) + bytes_field(3, b"data")
RECORD = bytes_field(3, UNTAGGED)
TAG = bytes_field(4, bytes_field(1, b"name") + bytes_field(2, b"value"))


def test_the_bodies_below_are_sound_but_for_what_is_wrong_with_each() -> None:
    assert kpl.user_records(sealed(KEY + RECORD)) == [UserRecord("a", b"data")]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no user record"),
        (KEY, "no user record"),
        (KEY + number_field(3, 1), "no user record"),
        (KEY + bytes_field(3, b""), "lacks"),
        (KEY + bytes_field(3, number_field(1, 0)), "lacks"),
        (KEY + bytes_field(3, bytes_field(3, b"data")), "lacks"),
        (KEY + bytes_field(3, bytes_field(1, b"0") + bytes_field(3, b"data")), "lacks"),
        (KEY + bytes_field(3, number_field(1, 0) + number_field(3, 7)), "lacks"),
        (KEY + bytes_field(3, UNTAGGED + bytes_field(4, bytes_field(2, b"value"))), "lacks"),
        (KEY + bytes_field(3, UNTAGGED + bytes_field(4, b"\x0a")), "broken"),
        (RECORD, "out of range"),
        (number_field(1, 1) + RECORD, "out of range"),
        (KEY + bytes_field(3, number_field(1, 1) + bytes_field(3, b"")), "out of range"),
        (KEY + bytes_field(3, number_field(1, 2**63) + bytes_field(3, b"")), "out of range"),
        (KEY + bytes_field(3, number_field(1, 2**64 - 1) + bytes_field(3, b"")), "out of range"),
        (
            KEY + bytes_field(3, number_field(1, 0) + number_field(2, 0) + bytes_field(3, b"")),
            "out of range",
        ),
        (bytes_field(1, b"caf\xe9") + RECORD, "UTF-8"),
        (bytes_field(1, b"\xed\xa0\x80") + RECORD, "UTF-8"),
        (KEY + bytes_field(2, b"\xff") + RECORD, "UTF-8"),
        (KEY + RECORD[:-1], "broken"),
        (KEY + RECORD + b"\x1a", "broken"),
        (KEY + RECORD + b"\x80", "broken"),
        (KEY + RECORD + b"\x08" + b"\xff" * 10 + b"\x01", "broken"),
        (KEY + RECORD + bytes_field(0, b""), "broken"),
        (KEY + RECORD + varint(9 << 3 | 6), "broken"),
        (KEY + RECORD + varint(9 << 3 | 7), "broken"),
        (KEY + RECORD + varint(9 << 3 | 4), "broken"),
        (KEY + RECORD + varint(9 << 3 | 3), "broken"),
        (KEY + RECORD + varint(3 << 3 | 2) + varint(2**31), "broken"),
        (KEY + RECORD + varint(3 << 3 | 2) + varint(2**64 - 1), "broken"),
        (KEY + RECORD + nested_groups(100_000), "broken"),
    ],
)
def test_a_hostile_message_is_damaged_and_nothing_else(body: bytes, said: str) -> None:
    with pytest.raises(DamagedAggregate, match=said):
        kpl.user_records(sealed(body))


@pytest.mark.parametrize(
    "body",
    [
        unknown_fields(7) + KEY + RECORD + unknown_fields(99),
        KEY + bytes_field(3, UNTAGGED + unknown_fields(7)),
        KEY + bytes_field(3, TAG + UNTAGGED + TAG),
        RECORD + KEY,
        KEY + nested_groups(20) + RECORD,
        KEY + bytes_field(2, b"0") + RECORD,
        KEY + bytes_field(3, number_field(1, 5) + number_field(1, 0) + bytes_field(3, b"data")),
    ],
)
def test_what_a_reader_of_protobuf_must_skip_is_skipped(body: bytes) -> None:
    assert kpl.user_records(sealed(body)) == [UserRecord("a", b"data")]


numbers = st.sampled_from([0, 1, 2, 127, 128, 2**32, 2**63, 2**64 - 1])
fields = st.integers(1, 5)
record_bodies = st.lists(
    st.one_of(
        st.builds(number_field, fields, numbers),
        st.builds(bytes_field, fields, st.binary(max_size=5)),
        st.just(UNTAGGED),
    ),
    max_size=4,
).map(b"".join)
bodies = st.lists(
    st.one_of(
        st.just(KEY),
        st.builds(bytes_field, st.just(3), record_bodies),
        st.builds(bytes_field, fields, st.binary(max_size=5)),
        st.builds(number_field, fields, numbers),
    ),
    max_size=8,
).map(b"".join)


@given(st.one_of(bodies, st.binary()))
def test_whatever_its_producer_wrote_a_whole_message_comes_apart_or_is_damaged(body: bytes) -> None:
    try:
        found = kpl.user_records(sealed(body))
    except DamagedAggregate:
        return
    theirs = deaggregator.messages_pb2.AggregatedRecord()
    theirs.ParseFromString(body)
    assert [(item.partition_key, item.data) for item in found] == [
        (theirs.partition_key_table[record.partition_key_index], record.data)
        for record in theirs.records
    ]


# What it costs to have it at hand


def test_telling_and_packing_aggregates_imports_no_protobuf() -> None:
    program = (
        "import sys; from ride_scoring.streams import kpl; "
        "assert kpl.is_aggregated(kpl.pack([('a', b'data')], '0')); "
        "sys.exit(any(name.startswith('google') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_error_quotes_nothing_of_the_payload() -> None:
    with pytest.raises(DamagedAggregate) as caught:
        kpl.user_records(sealed(bytes_field(1, b"secret\xff") + RECORD))
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
