import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from infra.common.bucket import Listed
from infra.common.console import UserError
from operations.redrive import documents
from operations.redrive.documents import Document, Event, listed
from operations.redrive.options import Selection, Source, selection
from operations.redrive.run import Counts, redrive
from operations.redrive.sender import Sender
from ride_scoring.errors import RejectReason
from ride_scoring.streams import kpl
from ride_scoring.streams.records import Reject
from stream_sim.kinesis.puts import Puts
from tests.unit.test_producer import FakeStream

NOW = datetime(2023, 1, 14, 13, 31, tzinfo=UTC)
REJECTS = Selection("rejects")
MIB = 1024 * 1024


def document(key: str, body: bytes, asked: Selection, record_bytes: int = MIB) -> Document:
    return documents.document(key, body, asked, record_bytes)


def reject_line(reason: RejectReason = "schema", **changes: Any) -> bytes:
    reject = Reject("shard-0:1", reason, "cut", "eA==", "ride-1", NOW, NOW)
    return msgspec.json.encode(msgspec.structs.replace(reject, **changes))


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2023-01-14", datetime(2023, 1, 14, tzinfo=UTC)),
        ("2023-01-14T08:31:00", datetime(2023, 1, 14, 8, 31, tzinfo=UTC)),
        ("2023-01-14T08:31:00Z", datetime(2023, 1, 14, 8, 31, tzinfo=UTC)),
        (
            "2023-01-14T08:31:00-05:00",
            datetime(2023, 1, 14, 8, 31, tzinfo=timezone(timedelta(hours=-5))),
        ),
    ],
)
def test_a_time_is_a_moment_or_how_long_ago(text: str, since: datetime) -> None:
    assert selection("rejects", [], text, NOW).since == since


@pytest.mark.parametrize("text", ["", "yesterday", "2w", "-2h", "99999999999d", "2023-13-01"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(UserError, match=r"is not a time: --since takes one such as 2023-01-14T08"):
        selection("rejects", [], text, NOW)


def test_a_misspelt_reason_is_told_the_nearest() -> None:
    with pytest.raises(UserError, match="'model_ouput' is no reason: is it model_output"):
        selection("rejects", ["schema", "model_ouput"], None, NOW)


def test_failures_have_no_reason() -> None:
    with pytest.raises(UserError, match="--reason is for rejects"):
        selection("failures", ["schema"], None, NOW)


def test_a_reject_counts_from_the_moment_on_that_is_asked_for() -> None:
    asked = Selection("rejects", since=NOW)
    assert asked.takes("schema", NOW)
    assert asked.takes("schema", NOW.replace(tzinfo=None))
    assert not asked.takes("schema", NOW - timedelta(microseconds=1))


def test_one_damaged_line_is_named_and_the_others_are_read() -> None:
    lines = [reject_line(), b'{"event_id": ', reject_line(event_id="shard-0:2")]
    found = document("rejects/x", b"\n".join(lines), REJECTS)
    assert [event.event_id for event in found.events] == ["shard-0:1", "shard-0:2"]
    assert found.damage == "line 2: Input data was truncated"


def test_what_no_stream_would_take_is_named_and_holds_up_nothing() -> None:
    lines = [
        reject_line(),
        reject_line(event_id="shard-0:2:1", partition_key=""),
        reject_line(event_id="shard-0:3", data_base64="no base64!"),
    ]
    found = document("rejects/x", b"\n".join(lines), REJECTS)
    assert [event.event_id for event in found.events] == ["shard-0:1"]
    assert found.damage == (
        "the partition key of shard-0:2:1 cannot be put into a stream, and 1 more such"
    )


def test_what_was_never_in_a_stream_is_counted_and_not_sent() -> None:
    lines = [reject_line("not_base64", data_base64="eyJ9*"), reject_line(event_id="shard-0:2")]
    found = document("rejects/x", b"\n".join(lines), REJECTS)
    assert [event.event_id for event in found.events] == ["shard-0:2"]
    assert (found.damage, found.from_no_stream) == (None, 1)


def test_a_record_larger_than_a_stream_takes_is_named_and_holds_up_nothing() -> None:
    most = base64.b64encode(b"x" * (MIB - len("ride-é".encode()))).decode()
    more = base64.b64encode(b"x" * (MIB - len("ride-é"))).decode()
    lines = [
        reject_line(event_id="shard-0:1", partition_key="ride-é", data_base64=most),
        reject_line(event_id="shard-0:2", partition_key="ride-é", data_base64=more),
        reject_line(event_id="shard-0:3"),
    ]
    found = document("rejects/x", b"\n".join(lines), REJECTS)
    assert [event.event_id for event in found.events] == ["shard-0:1", "shard-0:3"]
    assert found.damage == "shard-0:2 has 1,048,577 bytes, and the stream takes 1,048,576"
    allowed = document("rejects/x", b"\n".join(lines), REJECTS, 10 * MIB)
    assert (len(allowed.events), allowed.damage) == (3, None)


def test_damage_in_what_is_not_asked_for_is_no_matter() -> None:
    asked = Selection("rejects", frozenset({"schema"}))
    found = document("rejects/x", reject_line("not_json", data_base64="no base64!"), asked)
    assert (found.events, found.damage) == ((), None)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"\xff\xfe", "malformed"),
        (b'{"payload": "\xff"}', "invalid start byte"),
        (b'{"payload": ' + b"[" * 100_000, "recursion"),
        (b"{}", "it holds no records of a stream"),
        (b'{"payload": "{"}', "truncated"),
        (b'{"payload": {"Records": [{"eventID": "a"}]}}', "missing required field `kinesis`"),
    ],
)
def test_a_failure_document_that_cannot_be_read_is_named(body: bytes, complaint: str) -> None:
    found = document("aws/lambda/x", body, Selection("failures"))
    assert found.events == ()
    assert found.damage is not None
    assert complaint in found.damage


def test_a_failed_record_is_sent_as_it_came() -> None:
    kinesis = {"partitionKey": "ride-1", "data": "eA=="}
    body = json.dumps({"payload": {"Records": [{"eventID": "s:1", "kinesis": kinesis}]}})
    (event,) = document("aws/lambda/x", body.encode(), Selection("failures")).events
    assert event == Event("s:1", "ride-1", b"x", None, "s:1")


def test_packed_events_that_failed_are_sent_each_by_itself() -> None:
    """Sent as they were packed, Lambda would drop some of them where it takes them apart."""
    packed = kpl.pack([(f"ride-{number}", b"%d" % number) for number in range(3)], "7")
    damaged = packed[:-1] + bytes([packed[-1] ^ 1])
    records = [
        {"eventID": event_id, "kinesis": {"partitionKey": "all", "data": data}}
        for event_id, data in (("s:1", packed), ("s:2", damaged))
    ]
    body = msgspec.json.encode({"payload": {"Records": records}})
    found = document("aws/lambda/x", body, Selection("failures")).events
    assert found == (
        Event("s:1:0", "ride-0", b"0", None, "s:1"),
        Event("s:1:1", "ride-1", b"1", None, "s:1"),
        Event("s:1:2", "ride-2", b"2", None, "s:1"),
        Event("s:2", "all", damaged, None, "s:2"),
    )


@pytest.mark.parametrize(("marked", "left"), [("s:1", []), ("s:1:1", ["s:1:0", "s:1:2"])])
def test_what_was_sent_whole_or_alone_is_not_sent_again(marked: str, left: list[str]) -> None:
    """Earlier releases sent aggregates whole, and marked them so."""
    events = tuple(Event(f"s:1:{number}", "a", b"x", None, "s:1") for number in range(3))
    sent = list[str]()

    class Sent:
        def send(self, _key: str, events: Sequence[Event], _sent: object) -> None:
            sent.extend(event.event_id for event in events)

    to: Any = Sent()
    redrive([Document("aws/lambda/x", events, None)], {marked}, to, Counts(), lambda: None)
    assert sent == left


def test_failed_records_that_share_a_sequence_number_are_all_sent() -> None:
    """As Lambda may set them aside once it has taken an aggregate apart."""
    records = [
        {"eventID": "s:1", "kinesis": {"partitionKey": "a", "data": data}}
        for data in ("eA==", "eQ==", "eA==")
    ]
    body = json.dumps({"payload": {"Records": records}}).encode()
    found = document("aws/lambda/x", body, Selection("failures")).events
    assert [event.data for event in found] == [b"x", b"y", b"x"]
    assert len({event.event_id for event in found}) == 3


class Listing:
    """A bucket of objects as old as their keys say."""

    def folders(self, prefix: str) -> list[str]:
        return [f"{prefix}one/"]

    def listed(self, _prefix: str, _after: str = "") -> list[Listed]:
        minutes_old = (60, 10, 0)
        return [Listed(f"{age} min", "", NOW - timedelta(minutes=age)) for age in minutes_old]


@pytest.mark.parametrize(
    ("source", "worth_reading"),
    [("rejects", ["10 min", "0 min"]), ("failures", ["0 min"])],  # a reject's time is another's
)
def test_objects_that_are_too_old_are_not_read(source: Source, worth_reading: list[str]) -> None:
    bucket: Any = Listing()
    found = listed(bucket, Selection(source, since=NOW))
    assert [entry.key for entry in found] == worth_reading
    assert len(listed(bucket, Selection(source))) == 3


class Held:
    """A claim that nobody disputes."""

    renewals = 0

    def renew(self) -> None:
        self.renewals += 1


class Noted:
    """Marks in memory, a run of ids a call."""

    def __init__(self) -> None:
        self.runs: list[list[str]] = []

    def add(self, _key: str, event_ids: Sequence[str]) -> None:
        self.runs.append(list(event_ids))


def events(count: int, size_bytes: int = 1) -> list[Event]:
    return [Event(str(number), str(number), b"x" * size_bytes, None) for number in range(count)]


def sender(
    stream: Any, marks: Any, rate: float, sleep: Callable[[float], None] = lambda _: None
) -> Sender:
    claim: Any = Held()
    return Sender(Puts(stream, "events"), marks, claim, rate, sleep)


def send(found: Sequence[Event], rate: float) -> tuple[list[int], list[float]]:
    """How many were marked at a time, and the seconds that were waited before each."""
    marks, waits = Noted(), list[float]()
    sender(FakeStream(), marks, rate, waits.append).send("rejects/x", found, lambda _: None)
    return [len(run) for run in marks.runs], waits


def test_a_call_carries_a_second_of_the_rate_and_waits_for_the_one_before() -> None:
    marked, waits = send(events(25), rate=10)
    assert marked == [10, 10, 5]
    assert waits == [0.0, pytest.approx(1.0, abs=0.5), pytest.approx(2.0, abs=0.5)]


def test_a_call_carries_no_more_than_kinesis_takes() -> None:
    assert send(events(1_200), rate=1e6)[0] == [500, 500, 200]
    assert send(events(12, 1024 * 1024 - 8), rate=1e6)[0] == [5, 5, 2]


def test_a_large_record_counts_for_as_many_as_a_shard_could_take_of_small_ones() -> None:
    marked, waits = send(events(3, 50 * 1024), rate=10)
    assert marked == [1, 1, 1]
    assert waits == [0.0, pytest.approx(5.0, abs=0.5), pytest.approx(10.0, abs=0.5)]


def test_a_long_wait_does_not_cost_the_claim() -> None:
    claim: Any = Held()
    waits = list[float]()
    stream: Any = FakeStream()
    marks: Any = Noted()
    slow = Sender(Puts(stream, "events"), marks, claim, 50, waits.append)
    slow.send("rejects/x", events(2, 10 * MIB - 8), lambda _: None)
    assert sum(waits) == pytest.approx(10 * 1024 / 50, abs=1)
    assert max(waits) <= 30
    assert claim.renewals == len(waits)


def test_only_what_was_taken_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_sim.kinesis.puts._PATIENCE_SECONDS", 0.0)
    marks, sent = Noted(), list[int]()
    stream = FakeStream(lambda _, key: key == "2")
    with pytest.raises(UserError, match="events refused"):
        sender(stream, marks, rate=1e6).send("rejects/x", events(4), sent.append)
    assert marks.runs == [["0", "1", "3"]]
    assert sent == [3]
