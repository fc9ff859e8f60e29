import base64
import contextlib
import json
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ride_scoring.decode import decode
from ride_scoring.domain.events import RideEvent
from ride_scoring.errors import CannotScore
from ride_scoring.streams import kinesis_event, kpl
from ride_scoring.streams.unpack import arrivals, reject_whole
from tests.factories import NOW, event_json, record, shared


def decoded(data: bytes) -> RideEvent:
    (arrival,) = arrivals(0, record(data))
    return decode(arrival.data)


def refusal(data: bytes) -> CannotScore:
    with pytest.raises(CannotScore) as caught:
        decoded(data)
    return caught.value


def test_a_valid_event_keeps_its_ride_id_as_it_came() -> None:
    assert decoded(event_json(ride_id=156)).ride_id == 156
    assert decoded(event_json(ride_id="156")).ride_id == "156"


def test_an_event_of_the_course_is_valid_here() -> None:
    event = json.loads(shared("kinesis/zoomcamp__event.json").read_bytes())
    (arrived,) = arrivals(0, kinesis_event.records(event)[0])
    assert arrived.event_id.startswith("shardId-000000000000:4963")
    assert decode(arrived.data).ride_id == 256


def test_unknown_fields_are_ignored() -> None:
    assert decoded(event_json(tip="lots")).ride.pickup_zone == 130


def test_a_pickup_time_may_be_missing_or_carry_an_offset() -> None:
    assert decoded(event_json(pickup_datetime=None)).ride.pickup_datetime is None
    with_offset = decoded(
        event_json(pickup_datetime="2023-01-14T08:31:00-05:00")
    ).ride.pickup_datetime
    assert with_offset is not None
    assert with_offset.utcoffset() is not None


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"", "not_json", "truncated"),
        (b'{"ride_id": 1', "not_json", "truncated"),
        (event_json() + b"x", "not_json", "trailing"),
        (event_json(trip_distance=float("nan")), "not_json", "malformed"),
        (b'{"x": ' + b"[" * 100_000, "not_json", "recursion"),
        (b"\xff\xfe", "not_utf8", "invalid"),
        (b'{"ride_id": "caf\xe9"}', "not_utf8", "data"),
        (b"[1]", "schema", "Expected `object`"),
        (event_json(PULocationID=None), "schema", "PULocationID"),
        (event_json(PULocationID="130"), "schema", "PULocationID"),
        (event_json(PULocationID=130.5), "schema", "PULocationID"),
        (event_json(trip_distance=True), "schema", "trip_distance"),
        (event_json(trip_distance="3.66"), "schema", "trip_distance"),
        (event_json(ride_id={"a": 1}), "schema", "ride_id"),
        (event_json(pickup_datetime="yesterday"), "schema", "pickup_datetime"),
        (event_json(schema_version=2), "schema_version", "2"),
        (event_json(schema_version="1"), "schema_version", "'1'"),
        (event_json(schema_version=2, PULocationID=None), "schema_version", "2"),
        (event_json(PULocationID=0), "out_of_range", "PULocationID is 0 (int)"),
        (event_json(DOLocationID=266), "out_of_range", "DOLocationID is 266"),
        (event_json(DOLocationID=10**25), "out_of_range", "DOLocationID"),
        (event_json(trip_distance=260_000.0), "out_of_range", "trip_distance is 260000.0"),
        (event_json(trip_distance=-0.1), "out_of_range", "trip_distance"),
        (event_json(pickup_datetime="0001-01-01T00:00:00Z"), "out_of_range", "pickup_datetime"),
        (
            event_json(pickup_datetime="9999-12-31T23:59:59-12:00"),
            "out_of_range",
            "pickup_datetime",
        ),
        (event_json(ride_id=""), "out_of_range", "0 characters"),
        (event_json(ride_id="x" * 257), "out_of_range", "257 characters"),
        (event_json(ride_id="\U0001f695" * 129), "out_of_range", "258 characters"),
    ],
)
def test_what_can_never_be_scored_says_why(data: bytes, reason: str, detail: str) -> None:
    caught = refusal(data)
    assert caught.reason == reason
    assert detail in caught.detail


EVENT_BASE64 = base64.b64encode(event_json(ride_id="??>>~~")).decode()


@pytest.mark.parametrize(
    "data",
    [
        "!!!!a",
        "é",
        "a",
        "YQ",
        "YQ=",
        "YQ===",
        "=YQ=",
        base64.b64encode(b'{"a"').decode() * 2,  # padding, and another payload behind it
        base64.b64encode(event_json()).decode() + base64.b64encode(event_json()).decode(),
        EVENT_BASE64[:8] + "\n" + EVENT_BASE64[8:],
        EVENT_BASE64 + "\n",
        " " + EVENT_BASE64,
        EVENT_BASE64[:8] + "*" + EVENT_BASE64[8:],
        base64.urlsafe_b64encode(event_json(ride_id="??>>~~")).decode(),
        base64.b85encode(event_json()).decode(),
        event_json().decode(),
    ],
)
def test_data_that_is_not_base64_is_refused_and_kept_as_it_came(data: str) -> None:
    whole = msgspec.structs.replace(record(), data_base64=data)
    with pytest.raises(CannotScore, match="base64") as caught:
        arrivals(0, whole)
    assert caught.value.reason == "not_base64"
    if data.isascii():
        assert reject_whole(whole, caught.value, NOW).data_base64 == data


@given(
    st.integers(0, len(EVENT_BASE64)),
    st.text(
        st.characters(exclude_characters=string.ascii_letters + string.digits + "+/"), min_size=1
    ),
)
def test_foreign_characters_are_not_dropped(place: int, foreign: str) -> None:
    data = EVENT_BASE64[:place] + foreign + EVENT_BASE64[place:]
    with pytest.raises(CannotScore) as caught:
        arrivals(0, msgspec.structs.replace(record(), data_base64=data))
    assert caught.value.reason == "not_base64"


HALVES = (r"\ud83d", r"\ude00", r"\uD83D\uD83D", r"\uDE00\uD83D", r"\ud83d\u0041", r"\ud83d\\ude00")
WHOLE = (r"\ud83d\ude00", r"\\ud83d", r"\u00e9", r"\\\\ud83d")


def with_text(template: str, text: str) -> bytes:
    ride = '"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66'
    return template.replace("RIDE", ride).replace("TEXT", text).encode()


IGNORED_PLACES = (
    '{"ride_id": 156, "ride": {RIDE}, "note": "TEXT"}',
    '{"note": "TEXT", "ride_id": 156, "ride": {RIDE}}',
    '{"ride_id": 156, "ride": {RIDE, "note": "a TEXT b"}}',
    '{"ride_id": 156, "ride": {RIDE}, "TEXT": 1}',
    '{"ride_id": 156, "ride": {RIDE}, "deep": [{"TEXT": ["TEXT", {"a": "TEXTTEXT"}]}]}',
    '{"ride_id": "TEXT", "ride": {RIDE}, "ride_id": 156}',  # of two, the last one counts
)


@pytest.mark.parametrize("template", IGNORED_PLACES)
@pytest.mark.parametrize("text", HALVES + WHOLE)
def test_a_surrogate_where_nothing_is_read_is_ignored(template: str, text: str) -> None:
    event = decoded(with_text(template, text))
    assert (event.ride_id, event.ride.pickup_zone) == (156, 130)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ('{"ride_id": "TEXT", "ride": {RIDE}}', "schema"),
        ('{"ride_id": "a TEXT", "ride": {RIDE}, "note": "TEXT"}', "schema"),
        ('{"ride_id": 1, "ride": {RIDE, "pickup_datetime": "TEXT"}}', "schema"),
        ('{"ride_id": 1, "ride": {RIDE, "PULocationID": "TEXT"}}', "schema"),
        ('{"ride_id": 1, "ride": {RIDE}, "schema_version": "TEXT"}', "schema_version"),
        ('{"ride_id": 1, "ride": "TEXT"}', "schema"),
        ('"TEXT"', "schema"),
        ('{"ride_id": 1, "ride": {RIDE}, "note": "TEXT', "not_json"),
        ('{"ride_id": 1, "ride": {RIDE}, "note": "TEXT" "x"}', "not_json"),
        ('{"ride_id": 1, "ride": {RIDE}, "note": TEXT}', "not_json"),
    ],
)
@pytest.mark.parametrize("text", HALVES)
def test_half_a_surrogate_pair_where_text_is_read_is_refused(
    template: str, reason: str, text: str
) -> None:
    assert refusal(with_text(template, text)).reason == reason


@given(st.text(min_size=1, max_size=100), st.text(st.characters(categories=["Cs", "Ll"])))
def test_what_is_ignored_never_changes_a_ride_id(ride_id: str, note: str) -> None:
    ride = json.loads(event_json())["ride"]
    event = decoded(json.dumps({"ride_id": ride_id, "note": note, "ride": ride}).encode())
    assert event.ride_id == ride_id


def test_of_a_field_that_stands_twice_the_last_one_counts() -> None:
    data = with_text('{"ride_id": "a", "ride": {RIDE, "PULocationID": 7}, "ride_id": 156}', "")
    assert (decoded(data).ride_id, decoded(data).ride.pickup_zone) == (156, 7)


def aggregate(*data: bytes) -> bytes:
    return kpl.pack([(f"key-{index}", item) for index, item in enumerate(data)], "7")


def test_each_event_of_an_aggregated_record_has_an_identity_of_its_own() -> None:
    first, second = arrivals(4, record(aggregate(event_json(ride_id=1), event_json(ride_id=2)), 9))
    assert (first.event_id, first.partition_key) == ("shardId-000000000000:9:0", "key-0")
    assert (second.event_id, second.partition_key) == ("shardId-000000000000:9:1", "key-1")
    assert (first.position, second.position) == (4, 4)
    assert [decode(arrived.data).ride_id for arrived in (first, second)] == [1, 2]


def test_a_damaged_aggregate_is_refused() -> None:
    whole = aggregate(event_json())
    with pytest.raises(CannotScore) as caught:
        arrivals(0, record(whole[:-1] + bytes([whole[-1] ^ 1])))
    assert caught.value.reason == "kpl_damaged"


@pytest.mark.parametrize("edge", [{"PULocationID": 1}, {"DOLocationID": 265}, {"trip_distance": 0}])
def test_the_edges_of_the_ranges_are_inside(edge: dict[str, int]) -> None:
    assert decoded(event_json(**edge))


json_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
)


@given(
    st.binary()
    | st.builds(
        lambda fields: json.dumps(fields).encode(),
        st.fixed_dictionaries(
            {},
            optional={
                "ride_id": json_values,
                "schema_version": json_values,
                "ride": json_values
                | st.fixed_dictionaries(
                    {
                        "PULocationID": st.integers(),
                        "DOLocationID": json_values | st.integers(1, 265),
                        "trip_distance": json_values | st.floats(0, 200),
                    }
                ),
            },
        ),
    )
)
def test_whatever_arrives_is_an_event_or_a_refusal(data: bytes) -> None:
    with contextlib.suppress(CannotScore):
        event = decoded(data)
        assert 1 <= event.ride.pickup_zone <= 265
        assert 1 <= len(str(event.ride_id)) <= 256
        assert msgspec.json.encode(event)
