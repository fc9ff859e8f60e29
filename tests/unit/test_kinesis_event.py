"""What counts as an event of a Kinesis mapping, and what each record in one is called."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ride_scoring.errors import NotAKinesisEvent
from ride_scoring.streams import kinesis_event
from tests.factories import event_json, shared
from tests.factories import kinesis_event as made

RIDE = json.loads(event_json())
FOREIGN: dict[str, Any] = {
    "nothing": {},
    "a bare ride": RIDE,
    "no records": {"Records": None},
    "records by name": {"Records": {}},
    "text": {"Records": ""},
    "a number": {"Records": 0},
    "in lower case": {"records": []},
    "a scheduled rule": {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
    "API Gateway": {"httpMethod": "POST", "body": json.dumps(RIDE), "isBase64Encoded": False},
    "a function's URL": {"version": "2.0", "rawPath": "/", "body": json.dumps(RIDE)},
    "Kafka": {"eventSource": "aws:kafka", "records": {"rides-0": [{"value": "e30="}]}},
    "Firehose": {"invocationId": "i", "records": [{"recordId": "1", "data": "e30="}]},
    "CloudWatch Logs": {"awslogs": {"data": "H4sI"}},
    "SQS": {"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": json.dumps(RIDE)}]},
    "SNS": {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(RIDE)}}]},
    "S3": {"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "k"}}}]},
    "DynamoDB": {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"Keys": {}}}]},
    "a window that goes on": {"window": {}, "state": {}, "isFinalInvokeForWindow": False},
    "a list": [RIDE],
    "text alone": "ride",
    "nothing at all": None,
    "a record that is none": {"Records": [None]},
    "a record without data's place": {"Records": [{"eventID": "s:1", "kinesis": {}}]},
}


@pytest.mark.parametrize("event", FOREIGN.values(), ids=FOREIGN)
def test_an_event_of_anything_else_is_refused(event: Any) -> None:
    with pytest.raises(NotAKinesisEvent, match="Kinesis event source mapping"):
        kinesis_event.records(event)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Records", "records", "kinesis", "eventID", "a"]), inside
        )
    ),
    max_leaves=8,
)


@given(json_values)
def test_only_an_empty_list_of_records_is_no_records(event: Any) -> None:
    try:
        found = kinesis_event.records(event)
    except NotAKinesisEvent:
        return
    assert found == [] == event["Records"]


@pytest.mark.parametrize(
    "event",
    [
        {"Records": []},
        {"window": {}, "state": {}, "isFinalInvokeForWindow": True},
        {"Records": None, "window": {}, "state": {}, "isFinalInvokeForWindow": True},
        {"Records": [], "window": {}, "state": {}, "isFinalInvokeForWindow": True},
    ],
)
def test_an_empty_list_and_the_end_of_a_window_are_empty(event: dict[str, Any]) -> None:
    assert kinesis_event.records(event) == []


@pytest.mark.parametrize(
    "name",
    [
        "SampleLambdaEvent.json",
        "aws-lambda-go__kinesis-event.json",
        "aws-lambda-go__kinesis-time-window-event.json",
        "powertools__kinesisStreamCloudWatchLogsEvent.json",
        "powertools__kinesisStreamEvent.json",
        "powertools__kinesisStreamEventOneRecord.json",
        "zoomcamp__event.json",
    ],
)
def test_real_events_are_read(name: str) -> None:
    assert kinesis_event.records(json.loads(shared(f"kinesis/{name}").read_bytes()))


def with_ids(ids: list[str], data: list[bytes]) -> dict[str, Any]:
    event = made(*data)
    for record, event_id in zip(event["Records"], ids, strict=True):
        record["eventID"] = event_id
        record["kinesis"]["sequenceNumber"] = event_id.partition(":")[2]
    return event


def ids_of(ids: list[str], data: list[bytes]) -> list[str]:
    return [record.event_id for record in kinesis_event.records(with_ids(ids, data))]


def test_records_keep_their_ids_where_no_two_share_one() -> None:
    assert ids_of(["s:1", "s:2", "s:3"], [b"a", b"a", b"a"]) == ["s:1", "s:2", "s:3"]


def test_records_that_share_a_sequence_number_are_told_apart_by_what_they_hold() -> None:
    first, second, other, third = ids_of(["s:1", "s:1", "s:2", "s:1"], [b"a", b"b", b"b", b"a"])
    assert other == "s:2"
    assert first.startswith("s:1:")
    assert second.startswith("s:1:")
    assert third == f"{first}-1"
    # A retry that begins further on calls them the same.
    assert ids_of(["s:1", "s:1"], [b"b", b"a"]) == [second, first]


@given(st.lists(st.tuples(st.sampled_from(["s:1", "s:2", "t:1"]), st.binary(max_size=2))))
def test_whatever_comes_no_two_events_of_a_batch_share_an_id(
    given_records: list[tuple[str, bytes]],
) -> None:
    ids = ids_of([event_id for event_id, _ in given_records], [data for _, data in given_records])
    assert len(set(ids)) == len(given_records)
    # What is reported to Lambda stays its own.
    records = (
        kinesis_event.records(with_ids(*map(list, zip(*given_records, strict=True))))
        if given_records
        else []
    )
    assert [record.sequence_number for record in records] == [
        event_id.partition(":")[2] for event_id, _ in given_records
    ]


@pytest.mark.parametrize(
    ("event", "state"),
    [
        ({}, {}),
        ({"window": {}}, {"state": {}}),
        ({"window": {}, "state": {"a": 1}}, {"state": {"a": 1}}),
    ],
)
def test_the_answer_names_the_record_to_retry_from(
    event: dict[str, Any], state: dict[str, Any]
) -> None:
    done = kinesis_event.answer(event, None)
    assert done == {"batchItemFailures": []} | state
    undone = kinesis_event.answer(event, "7")
    assert undone == {"batchItemFailures": [{"itemIdentifier": "7"}]} | state
