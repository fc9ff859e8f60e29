"""What goes into calls, when they go, and what the ledger says of them, on a stream in memory."""

import contextlib
import functools
import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from infra.common.console import UserError
from ride_scoring.streams import kpl
from stream_sim import ledger
from stream_sim.kinesis.outgoing import OutgoingRecord, SentRide
from stream_sim.kinesis.puts import Puts
from stream_sim.ledger import Intended, Ledger, PutRecord, Run, Taken, TakenRecord, Unanswered
from stream_sim.send.pace import Pace
from stream_sim.send.producer import Producer, calls

RUN = Run("0123abcd", 0, 1, 1_673_703_060.0, "events", {}, {})


class FakeStream:
    """Takes records with growing sequence numbers; `disturb` may raise or refuse by key."""

    def __init__(self, disturb: Callable[[int, str], bool] = lambda _call, _key: False) -> None:
        self._disturb = disturb
        self.calls = 0
        self.taken: list[str] = []

    def put_records(self, *, Records: Sequence[Any], **_: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.calls += 1
        results: list[dict[str, str]] = []
        for entry in Records:
            if self._disturb(self.calls, entry["PartitionKey"]):
                results.append({"ErrorCode": "InternalFailure", "ErrorMessage": "no"})
            else:
                self.taken.append(entry["PartitionKey"])
                results.append({"ShardId": "shard-0", "SequenceNumber": str(len(self.taken))})
        return {"Records": results}


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Turns(Clock):
    """Time for several threads: one of them runs at a time, and while all sleep, time passes."""

    def __init__(self) -> None:
        super().__init__()
        self._asleep: list[tuple[float, int, threading.Event]] = []
        self._order = itertools.count()

    def sleep(self, seconds: float) -> None:
        turn = self._turn_in(seconds)
        self._wake()
        turn.wait()

    def run(self, jobs: Sequence[Callable[[], object]]) -> None:
        """Runs each in a thread of its own, to the end of all."""

        def run_one(turn: threading.Event, job: Callable[[], object]) -> None:
            turn.wait()
            try:
                job()
            finally:
                self._wake()

        with ThreadPoolExecutor(len(jobs)) as executor:
            ends = [executor.submit(run_one, self._turn_in(0.0), job) for job in jobs]
            self._wake()
        for end in ends:
            end.result()

    def _turn_in(self, seconds: float) -> threading.Event:
        turn = threading.Event()
        heapq.heappush(self._asleep, (self.now + seconds, next(self._order), turn))
        return turn

    def _wake(self) -> None:
        if self._asleep:
            self.now, _, turn = heapq.heappop(self._asleep)
            turn.set()


class LimitedStream:
    """Takes so many records a second, and refuses the rest as Kinesis does; all of them in the
    seconds that it is `away`."""

    def __init__(self, clock: Clock, most_a_second: int, away: range = range(0)) -> None:
        self._clock = clock
        self.most_a_second = most_a_second
        self._away = away
        self._second, self._room = 0, 0
        self.taken: dict[int, int] = {}
        self.refused = 0

    def put_records(self, *, Records: Sequence[Any], **_: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if self._second != (second := int(self._clock.now)):
            self._second = second
            self._room = 0 if second - 1_000 in self._away else self.most_a_second
        taken = min(self._room, len(Records))
        self._room -= taken
        self.taken[second] = self.taken.get(second, 0) + taken
        self.refused += len(Records) - taken
        good = {"ShardId": "shard-0", "SequenceNumber": "1"}
        bad = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"}
        return {"Records": [good] * taken + [bad] * (len(Records) - taken)}


class AtOnce(Executor):
    """Runs what it is given when it is given it, so that a test owns the order and the time."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


def record(number: int, rate: float = 1e6, data: bytes = b"{}", **more: Any) -> OutgoingRecord:
    rides = (SentRide(float(number)),)
    return OutgoingRecord(number / rate, number, str(number), data, rides, **more)


def records(count: int, rate: float = 1e6) -> Iterator[OutgoingRecord]:
    return (record(number, rate) for number in range(count))


def send(
    stream: Any,
    folder: Path,
    found: Iterator[OutgoingRecord],
    clock: Clock | None = None,
    *,
    aggregate: bool = False,
) -> list[int]:
    """Sends, and gives how many rides were said to be taken, call by call."""
    sent: list[int] = []
    clock = clock or Clock()
    puts = Puts(stream, "events", clock, clock.sleep, random.Random(1).uniform)
    pace = Pace(clock, clock.sleep)
    with Ledger(folder, RUN) as book:
        producer = Producer(puts, pace, book, threading.Event(), sent.append, AtOnce())
        producer.send(found, aggregate=aggregate)
    return sent


def send_by_threads(
    threads: int, stream: LimitedStream, clock: Turns, folder: Path, count: int, rate: float
) -> None:
    """Sends 500 records at a time, by each of the threads in turn, at one pace for all."""
    kinesis: Any = stream
    puts = Puts(kinesis, "events", clock, clock.sleep, random.Random(1).uniform)
    pace = Pace(clock, clock.sleep)

    def send_part(part: int) -> None:
        found = (one for one in records(count, rate) if one.first // 500 % threads == part)
        with Ledger(folder, msgspec.structs.replace(RUN, part=part)) as book:
            producer = Producer(puts, pace, book, threading.Event(), lambda _: None, AtOnce())
            producer.send(found, aggregate=False)

    clock.run([functools.partial(send_part, part) for part in range(threads)])


def taken(folder: Path) -> list[TakenRecord]:
    found = ledger.entries(folder, 0)
    return [one for entry in found if isinstance(entry, Taken) for one in entry.records]


def test_every_ride_is_taken_once_and_is_in_the_ledger(tmp_path: Path) -> None:
    stream = FakeStream()
    assert send(stream, tmp_path, records(1_200)) == [500, 500, 200]
    assert stream.taken == [str(number) for number in range(1_200)]
    assert taken(tmp_path) == [TakenRecord(n, 0, f"shard-0:{n + 1}") for n in range(1_200)]
    intended = [e for e in ledger.entries(tmp_path, 0) if isinstance(e, Intended)]
    assert [(entry.first, len(entry.minutes)) for entry in intended] == [
        *((0, 500), (500, 500), (1_000, 200))
    ]


def test_what_is_special_of_a_ride_is_in_the_ledger_before_it_is_put(tmp_path: Path) -> None:
    def stop(_call: int, _key: str) -> bool:
        raise KeyboardInterrupt

    found = [
        OutgoingRecord(0.0, 7, "a", b"{", (SentRide(3.5, "cut-off", "not_json"),)),
        OutgoingRecord(0.0, 8, "a", b"{", (SentRide(3.5, "duplicate", "not_json", 7),)),
    ]
    with pytest.raises(KeyboardInterrupt):
        send(FakeStream(stop), tmp_path, iter(found))
    assert list(ledger.entries(tmp_path, 0)) == [
        Intended(
            first=7,
            minutes=[3.5, 3.5],
            faults={7: "cut-off", 8: "duplicate"},
            reasons={7: "not_json", 8: "not_json"},
            copies={8: 7},
        )
    ]


def test_only_what_was_refused_is_sent_again(tmp_path: Path) -> None:
    stream = FakeStream(lambda call, key: call == 1 and key == "3")
    send(stream, tmp_path, records(5))
    assert stream.taken == ["0", "1", "2", "4", "3"]
    assert taken(tmp_path)[-1] == TakenRecord(3, 0, "shard-0:5")


@pytest.mark.parametrize(
    ("error", "doubted"),
    [
        (EndpointConnectionError(endpoint_url="http://kinesis"), []),
        (ReadTimeoutError(endpoint_url="http://kinesis"), [PutRecord(0, 0), PutRecord(1, 0)]),
        (
            ClientError(
                {
                    "Error": {"Code": "InternalFailure", "Message": "no"},
                    "ResponseMetadata": {"HTTPStatusCode": 500},  # type: ignore[typeddict-item]
                },
                "PutRecords",
            ),
            [PutRecord(0, 0), PutRecord(1, 0)],
        ),
    ],
    ids=["never reached", "no answer", "a server's error"],
)
def test_a_stream_that_is_away_is_tried_again_and_doubt_is_written_down(
    tmp_path: Path, error: Exception, doubted: list[PutRecord]
) -> None:
    def away_at_first(call: int, _: str) -> bool:
        if call == 1:
            raise error
        return False

    stream = FakeStream(away_at_first)
    assert send(stream, tmp_path, records(2)) == [2]
    found = list(ledger.entries(tmp_path, 0))
    assert [e.records for e in found if isinstance(e, Unanswered)] == ([doubted] if doubted else [])
    assert isinstance(found[-1], Taken)


def test_sending_is_given_up_in_the_end_and_the_ledger_knows(tmp_path: Path) -> None:
    clock = Clock()
    with pytest.raises(UserError, match="events refused rides for 30 s: InternalFailure: no"):
        send(FakeStream(lambda _, key: key == "1"), tmp_path, records(3), clock)
    assert [one.first for one in taken(tmp_path)] == [0, 2]
    assert 1_030 < clock.now < 1_033


@pytest.mark.parametrize(("refused", "events"), [(1, 1), (2, 0)])
def test_it_is_tried_once_more_after_any_time_that_the_sender_waited_itself(
    refused: int, events: int
) -> None:
    clock, stream = Clock(), FakeStream(lambda call, _: call <= refused)
    kinesis: Any = stream
    ends = pytest.raises(UserError, match="for 30 s") if not events else contextlib.nullcontext()
    with ends:
        for _ in Puts(kinesis, "events", clock, clock.sleep).put([record(0)]):
            clock.sleep(40.0)
    assert (stream.calls, len(stream.taken)) == (2, events)


def test_a_call_of_large_records_outlasts_a_second_of_refusals(tmp_path: Path) -> None:
    stream = LimitedStream(clock := Clock(), 10_000, away=range(1))
    found = (record(number, data=b"x" * 51_200) for number in range(100))
    assert sum(send(stream, tmp_path, found, clock)) == 100
    assert clock.now < 1_010


def test_a_stream_that_takes_a_little_of_a_call_at_a_time_is_not_given_up(tmp_path: Path) -> None:
    stream = LimitedStream(clock := Clock(), most_a_second=5)
    assert sum(send(stream, tmp_path, records(300), clock)) == 300
    assert clock.now > 1_050


def test_an_error_that_will_not_pass_is_not_tried_again(tmp_path: Path) -> None:
    def gone(_call: int, _key: str) -> bool:
        raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "PutRecords")

    stream = FakeStream(gone)
    with pytest.raises(ClientError):
        send(stream, tmp_path, records(3))
    assert stream.calls == 1


def test_a_call_is_waited_for_whose_thread_was_interrupted_as_it_began(tmp_path: Path) -> None:
    began = threading.Event()

    class Interrupted(Executor):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            threading.Thread(target=function, args=args, kwargs=kwargs).start()
            began.wait()
            raise KeyboardInterrupt

    def slow(_call: int, _key: str) -> bool:
        began.set()
        time.sleep(0.1)
        return False

    stream: Any = FakeStream(slow)
    puts, stopping = Puts(stream, "events"), threading.Event()
    with Ledger(tmp_path, RUN) as book:
        producer = Producer(puts, Pace(), book, stopping, lambda _: None, Interrupted())
        with pytest.raises(KeyboardInterrupt):
            producer.send(records(2), aggregate=False)
    assert stream.taken == ["0", "1"]
    assert [one.first for one in taken(tmp_path)] == [0, 1]


def test_a_call_goes_when_the_last_of_a_tenth_of_a_second_is_due(tmp_path: Path) -> None:
    clock, at = Clock(), list[float]()

    def note(_call: int, _key: str) -> bool:
        at.append(round(clock.now - 1_000, 6))
        return False

    send(FakeStream(note), tmp_path, records(100, rate=200), clock)
    assert sorted(set(at)) == pytest.approx([0.1, 0.205, 0.31, 0.415, 0.495])


def test_after_a_delay_the_schedule_is_caught_up(tmp_path: Path) -> None:
    clock, at = Clock(), dict[str, float]()

    def stall_once(call: int, key: str) -> bool:
        at.setdefault(key, clock.now - 1_000)
        if call == 3 and clock.now < 1_002:
            clock.sleep(2.0)
        return False

    send(FakeStream(stall_once), tmp_path, records(1_000, rate=200), clock)
    assert at["400"] == at["300"] > 2.2  # behind, so that it went at once
    assert at["999"] == pytest.approx(4.995)


@pytest.mark.parametrize("threads", [1, 8])
def test_a_throttled_producer_sends_what_the_stream_takes_and_little_more(
    tmp_path: Path, threads: int
) -> None:
    stream = LimitedStream(clock := Turns(), most_a_second=1_000)
    send_by_threads(threads, stream, clock, tmp_path, 60_000, rate=4_000)
    assert sum(stream.taken.values()) == 60_000
    assert clock.now < 1_070
    assert stream.refused < 0.1 * 60_000


def test_a_producer_that_was_throttled_finds_out_that_the_stream_takes_more(tmp_path: Path) -> None:
    stream = LimitedStream(clock := Clock(), most_a_second=1_000)

    def resharded() -> Iterator[OutgoingRecord]:
        for found in records(60_000, rate=4_000):
            if found.first == 10_000:
                stream.most_a_second = 2_000
            yield found

    send(stream, tmp_path, resharded(), clock)
    assert max(stream.taken.values()) > 1_900


@pytest.mark.few(2)
@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("away", [range(3), range(4, 7), range(10)])
def test_a_stream_that_refused_everything_for_a_while_is_soon_used_as_before(
    tmp_path: Path, away: range, threads: int
) -> None:
    stream = LimitedStream(clock := Turns(), 100_000, away)
    send_by_threads(threads, stream, clock, tmp_path, 200_000, rate=20_000)
    assert sum(stream.taken.values()) == 200_000
    assert clock.now < 1_010 + len(away) + 10


def test_waiting_ends_when_sending_does() -> None:
    stopping = threading.Event()
    stopping.set()
    pace = Pace(clock := Clock(), stopping.wait)
    pace.answered(0.0, throttled=True)
    for _ in range(3):
        pace.admit(500.0)
    assert clock.now == 1_000


def test_rides_are_packed_in_order_and_what_must_be_alone_is_alone(tmp_path: Path) -> None:
    found = [record(0), record(1), record(2, data=b"huge", alone=True), record(3)]
    (call,) = calls(found, aggregate=True)
    assert [(one.first, one.packed, one.partition_key) for one in call] == [
        *((0, 2, "0"), (2, 0, "2"), (3, 1, "3"))
    ]
    assert [user.partition_key for user in kpl.user_records(call[0].data)] == ["0", "1"]
    stream = FakeStream()
    assert send(stream, tmp_path, iter(found), aggregate=True) == [4]
    assert taken(tmp_path) == [
        *(TakenRecord(0, 2, "shard-0:1"), TakenRecord(2, 0, "shard-0:2")),
        TakenRecord(3, 1, "shard-0:3"),
    ]


def test_a_call_is_what_kinesis_takes_at_most() -> None:
    large = [record(number, data=b"x" * (1024 * 1024 - 1)) for number in range(11)]
    assert [len(call) for call in calls(large, aggregate=False)] == [4, 4, 3]
    alone = [record(number, alone=bool(number % 2)) for number in range(1_100)]
    assert [len(call) for call in calls(alone, aggregate=True)] == [500, 500, 100]


def test_nothing_is_put_that_the_ledger_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream: Any = FakeStream()
    (tmp_path / "full").symlink_to("/dev/full")
    with Ledger(tmp_path, RUN) as book, (tmp_path / "full").open("wb", buffering=0) as full:
        stopping = threading.Event()
        producer = Producer(Puts(stream, "events"), Pace(), book, stopping, print, AtOnce())
        with monkeypatch.context() as disk:
            disk.setattr(book, "_file", full)
            with pytest.raises(UserError, match=r"ledger-0.ndjson cannot be written \(No space"):
                producer.send(records(3), aggregate=False)
    assert stream.calls == 0
