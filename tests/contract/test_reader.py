"""The simulator's reader, against moto's Kinesis and against one that misbehaves."""

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import connection
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from infra import emulator
from infra.common.console import UserError
from infra.common.paths import ROOT
from ride_scoring.aws import connect
from ride_scoring.streams import kpl
from ride_scoring.streams.records import OutputRecord
from ride_scoring.streams.sink import PredictionSink
from stream_sim.kinesis.reader import Checkpoints, ShardPage, StreamReader, StreamRecord
from stream_sim.kinesis.shard_reader import ShardReader
from tests.kinesis_server import Complaint, KinesisServer
from tests.person import forget_aws
from tests.waiting import eventually

LONG = 600.0
"""Seconds that anything may take on a machine that is busy."""
THROTTLED = Complaint("ProvisionedThroughputExceededException")


def read(reader: StreamReader, count: int) -> list[StreamRecord]:
    """At least so many records, as they come."""
    found: list[StreamRecord] = []

    def enough() -> bool:
        for page in reader.pages():
            found.extend(page.records)
        return len(found) >= count

    assert eventually(enough), f"{len(found)} of {count} records"
    return found


def data_of(records: list[StreamRecord]) -> list[bytes]:
    return sorted(record.data for record in records)


def numbered(numbers: range) -> list[bytes]:
    return [b"%05d" % number for number in numbers]


def processes(reader: StreamReader) -> list[int]:
    return [shard.process.pid or 0 for shard in reader._consumer.shards.values()]


def runs(pid: int) -> bool:
    """Whether it runs; ended and not yet noticed by its parent is ended."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            != "Z"
        )
    except OSError:
        return False


def put(*records: OutputRecord) -> None:
    sink = PredictionSink(connect(os.environ).kinesis, "ride-predictions")
    assert sink.put(records, lambda: 60.0).done == len(records)


@pytest.fixture
def kinesis(monkeypatch: pytest.MonkeyPatch) -> Iterator[KinesisServer]:
    forget_aws(monkeypatch)
    with KinesisServer() as server:
        for name, value in {**emulator.TEST_ACCOUNT, "AWS_ENDPOINT_URL": server.url}.items():
            monkeypatch.setenv(name, value)
        yield server


def opened(place: Checkpoints | None = None) -> StreamReader:
    return StreamReader("predictions", boto3.Session(), place)


def test_what_the_sink_puts_the_reader_reads(aws: boto3.Session) -> None:
    put(*(OutputRecord(f"{number}".encode(), f"key-{number}") for number in range(700)))
    with StreamReader("ride-predictions", aws) as reader:
        found = read(reader, 700)
    assert sorted(int(record.data) for record in found) == list(range(700))
    assert all(record.partition_key == f"key-{int(record.data)}" for record in found)
    assert abs(found[0].arrived_at - datetime.now(UTC)) < timedelta(minutes=LONG)


def test_what_a_producer_packed_is_unpacked() -> None:
    packed = kpl.pack([("a", b"1"), ("b", b"2")], "0")
    record = StreamRecord(packed, "a", "1", datetime.now(UTC))
    assert record.contents() == [b"1", b"2"]
    with pytest.raises(kpl.DamagedAggregate):
        StreamRecord(packed[:-1], "a", "1", datetime.now(UTC)).contents()


def test_the_reader_reads_on_where_it_stands(aws: boto3.Session) -> None:
    with StreamReader("ride-predictions", aws) as reader:
        put(OutputRecord(b"first", "a"))
        assert data_of(read(reader, 1)) == [b"first"]
        put(OutputRecord(b"second", "a"))
        assert data_of(read(reader, 1)) == [b"second"]


def test_a_reader_that_is_told_a_time_reads_what_arrived_since(aws: boto3.Session) -> None:
    put(OutputRecord(b"before", "a"))
    now = datetime.now(UTC)
    put(OutputRecord(b"after", "a"))
    with StreamReader("ride-predictions", aws, Checkpoints(now)) as reader:
        assert data_of(read(reader, 1)) == [b"after"]


def test_another_reader_goes_on_from_a_place_that_was_kept(kinesis: KinesisServer) -> None:
    kinesis.most_records = 100
    kinesis.put(0, *numbered(range(1_000)))
    with opened() as reader:
        first = read(reader, 300)
        known = reader.place.known
    assert known == {"shardId-000000000000": str(len(first))}
    assert len(first) < 1_000
    with opened(Checkpoints(known=known)) as reader:
        rest = read(reader, 1_000 - len(first))
    assert data_of(first + rest) == numbered(range(1_000))


def test_a_page_that_was_not_taken_is_no_part_of_the_place(kinesis: KinesisServer) -> None:
    kinesis.split(0)
    for shard, data in enumerate((b"0", b"1", b"2")):
        kinesis.put(shard, data)
    taken: list[ShardPage] = []

    def took_one() -> bool:
        taken.extend(filter(None, [next(reader.pages(), None)]))
        return bool(taken)

    with opened() as reader:
        assert eventually(took_one)
        known = reader.place.known
    assert known == {taken[0].shard_id: taken[0].last_sequence_number}
    with opened(Checkpoints(known=known)) as reader:
        assert data_of(taken[0].records + read(reader, 2)) == [b"0", b"1", b"2"]


def test_a_shard_that_closes_is_read_to_its_end_and_its_children_from_their_start(
    kinesis: KinesisServer,
) -> None:
    kinesis.most_records = 10
    kinesis.put(0, *numbered(range(25)))
    with opened(Checkpoints(datetime.now(UTC) - timedelta(hours=1))) as reader:
        found = read(reader, 10)
        kinesis.split(0, *numbered(range(25, 40)))
        kinesis.put(1, *numbered(range(40, 60)))
        kinesis.put(2, *numbered(range(60, 80)))
        found += read(reader, 80 - len(found))
        assert data_of(found) == numbered(range(80))
        kinesis.put(1, b"later")
        assert data_of(read(reader, 1)) == [b"later"]
        assert len(processes(reader)) == 2


def test_shards_beyond_the_first_page_of_a_listing_are_read(kinesis: KinesisServer) -> None:
    for shard in (0, 1, 2):
        kinesis.split(shard)
    for shard in range(7):
        kinesis.put(shard, b"%d" % shard)
    with opened() as reader:
        assert data_of(read(reader, 7)) == [b"%d" % shard for shard in range(7)]


def test_shards_that_moto_splits_are_read_while_they_are_split(aws: boto3.Session) -> None:
    put(*(OutputRecord(number, number.decode()) for number in numbered(range(50))))
    with StreamReader("ride-predictions", aws) as reader:
        found = read(reader, 50)
        aws.client("kinesis").update_shard_count(
            StreamName="ride-predictions", TargetShardCount=4, ScalingType="UNIFORM_SCALING"
        )
        put(*(OutputRecord(number, number.decode()) for number in numbered(range(50, 100))))
        assert data_of(found + read(reader, 50)) == numbered(range(100))


@pytest.mark.thorough
def test_reads_that_are_throttled_are_tried_again(kinesis: KinesisServer) -> None:
    kinesis.put(0, b"one")
    kinesis.will_complain("GetShardIterator", THROTTLED, Complaint("InternalFailure", 500))
    kinesis.will_complain("GetRecords", THROTTLED, THROTTLED, Complaint("InternalFailure", 503))
    with opened() as reader:
        started = processes(reader)
        assert eventually(lambda: not list(reader.pages()) and "not now" in str(reader.trouble))
        assert data_of(read(reader, 1)) == [b"one"]
        assert reader.trouble is None
        assert processes(reader) == started


def test_an_iterator_that_expired_is_asked_for_anew(kinesis: KinesisServer) -> None:
    kinesis.put(0, b"one")
    kinesis.will_complain("GetRecords", Complaint("ExpiredIteratorException"))
    with opened() as reader:
        assert data_of(read(reader, 1)) == [b"one"]
        kinesis.will_complain("GetRecords", Complaint("ExpiredIteratorException"))
        assert eventually(lambda: kinesis.asked["GetShardIterator"] == 3)
        kinesis.put(0, b"two")
        assert data_of(read(reader, 1)) == [b"two"]


def test_a_clock_that_is_ahead_waits_for_kinesis_to_come_to_its_time(
    kinesis: KinesisServer,
) -> None:
    kinesis.clock = lambda: time.time() - 3_600
    with opened(Checkpoints(datetime.now(UTC))) as reader:
        assert eventually(lambda: not list(reader.pages()) and bool(reader.trouble))
        assert not kinesis.asked["GetRecords"]
        kinesis.clock = time.time
        kinesis.put(0, b"one")
        assert data_of(read(reader, 1)) == [b"one"]


def test_an_endpoint_that_goes_away_is_read_on_when_it_is_back(kinesis: KinesisServer) -> None:
    kinesis.put(0, b"one")
    with opened() as reader:
        assert data_of(read(reader, 1)) == [b"one"]
        kinesis.go_away()

        def silent() -> bool:
            return not list(reader.pages()) and reader.silent_seconds > 1

        assert eventually(silent)
        assert kinesis.url in str(reader.trouble)
        kinesis.put(0, b"two")
        kinesis.come_back()
        assert data_of(read(reader, 1)) == [b"two"]
        assert eventually(lambda: not list(reader.pages()) and reader.silent_seconds < 1)


def test_a_reader_that_is_killed_is_started_anew_and_repeats_nothing(
    kinesis: KinesisServer,
) -> None:
    kinesis.most_records = 10
    kinesis.put(0, *numbered(range(100)))
    with opened() as reader:
        found = read(reader, 20)
        for pid in processes(reader):
            os.kill(pid, signal.SIGKILL)
        found += read(reader, 100 - len(found))
        kinesis.put(0, b"last")
        assert data_of(found + read(reader, 1)) == [*numbered(range(100)), b"last"]


def test_a_refusal_is_raised(kinesis: KinesisServer) -> None:
    kinesis.will_complain("GetRecords", Complaint("AccessDeniedException"))
    with opened() as reader, pytest.raises(ClientError, match=r"AccessDenied.*GetRecords.*not now"):
        read(reader, 1)


def test_a_stream_that_is_deleted_while_it_is_read_is_named(kinesis: KinesisServer) -> None:
    with opened() as reader:
        gone = [Complaint("ResourceNotFoundException")]
        kinesis.will_complain("GetRecords", *gone)
        kinesis.will_complain("ListShards", *gone)
        with pytest.raises(UserError, match="'predictions' does not exist"):
            read(reader, 1)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("name", ["nowhere", "", "not a name", "x" * 200])
def test_a_stream_that_is_not_there_is_named(name: str) -> None:
    with (
        pytest.raises(UserError, match=f"{name!r} does not exist.*PREDICTIONS_STREAM_NAME"),
        StreamReader(name, boto3.Session()),
    ):
        pass


def held_by(pipe: connection.Connection) -> int:
    """How many bytes wait in it."""
    held: tuple[int] = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return held[0]


def test_pages_that_nobody_takes_wait_in_kinesis_and_their_readers_end(
    kinesis: KinesisServer,
) -> None:
    kinesis.most_records = 10
    kinesis.put(0, *([b"x" * 20_000] * 1_000))
    with opened() as reader:
        started = processes(reader)
        (shard,) = reader._consumer.shards.values()
        capacity = fcntl.fcntl(shard.pages, fcntl.F_GETPIPE_SZ)
        assert capacity < 200_000
        assert eventually(lambda: held_by(shard.pages) > capacity // 2)
        time.sleep(1)
        assert kinesis.asked["GetRecords"] == 1
        assert len(read(reader, 1)) == 10
        assert eventually(lambda: kinesis.asked["GetRecords"] == 2)
    assert started
    assert not any(map(runs, started))


def test_a_reader_that_ended_is_remembered_nowhere(kinesis: KinesisServer) -> None:
    before = list(ShardReader._INSTANCES or ())
    for number in range(2):
        with opened() as reader:
            kinesis.put(0, b"%d" % number)
            read(reader, 1 + number)
    assert before == ShardReader._INSTANCES


@pytest.mark.thorough
def test_a_shard_is_read_more_often_while_there_is_more_to_be_read(kinesis: KinesisServer) -> None:
    def reads_a_second() -> float:
        first, began = kinesis.asked["GetRecords"], time.monotonic()
        while time.monotonic() - began < 3:
            assert not list(reader.pages())
        return (kinesis.asked["GetRecords"] - first) / (time.monotonic() - began)

    with opened() as reader:
        assert eventually(lambda: not list(reader.pages()) and kinesis.asked["GetRecords"] > 0)
        assert eventually(lambda: reads_a_second() < 3)
        kinesis.finds_nothing_yet = True
        assert eventually(lambda: reads_a_second() > 3)


READS_UNTIL_IT_IS_KILLED = """
import boto3
from stream_sim.kinesis.reader import StreamReader
with StreamReader("predictions", boto3.Session()) as reader:
    print(*(shard.process.pid for shard in reader._consumer.shards.values()), flush=True)
    try:
        while True:
            {body}
    except KeyboardInterrupt:
        print("stopped")
"""


@contextlib.contextmanager
def a_process_that_reads(body: str = "list(reader.pages())") -> Iterator[subprocess.Popen[str]]:
    """Killed after a while: one that says nothing would hold up the test."""
    with subprocess.Popen(
        [sys.executable, "-c", READS_UNTIL_IT_IS_KILLED.format(body=body)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        (timer := threading.Timer(LONG, process.kill)).start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


@pytest.mark.parametrize("body", ["list(reader.pages())", "import time; time.sleep(1)"])
def test_readers_end_when_their_parent_is_killed(kinesis: KinesisServer, body: str) -> None:
    kinesis.split(0)
    kinesis.put(1, *([b"x" * 20_000] * 100))  # more than a pipe holds
    with a_process_that_reads(body) as parent:
        assert parent.stdout
        started = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(started) == 3
        assert eventually(lambda: kinesis.asked["GetRecords"] >= 3)
        parent.kill()
    assert eventually(lambda: not any(map(runs, started)))


def test_ctrl_c_ends_the_readers_without_a_word_of_theirs(kinesis: KinesisServer) -> None:
    with a_process_that_reads() as parent:
        assert parent.stdout
        started = [int(pid) for pid in parent.stdout.readline().split()]
        assert eventually(lambda: kinesis.asked["GetRecords"] > 0)
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.communicate(timeout=LONG) == ("stopped\n", "")
    assert started
    assert not any(map(runs, started))


def test_a_place_knows_what_was_passed() -> None:
    place = Checkpoints()
    assert place.get_iterator_args("s") == {"ShardIteratorType": "TRIM_HORIZON"}
    place.checkpoint("s", "12")
    assert place.get_iterator_args("s")["StartingSequenceNumber"] == "12"
    assert place.passed("s", "9")
    assert place.passed("s", "12")
    assert not place.passed("s", "100")
    assert not place.passed("other", "9")
    assert place.known == {"s": "12"}
