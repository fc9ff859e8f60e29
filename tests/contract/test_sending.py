"""Rides go into moto's stream, and whatever happens, the ledger knows of each that went."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from rich.progress import Progress

from infra.common import ports, reaper
from infra.common.console import UserError
from infra.common.paths import ROOT
from ride_scoring.decode import decode
from ride_scoring.streams import kpl
from stream_sim import ledger
from stream_sim.ledger import Intended, Run, Taken, Unanswered
from stream_sim.send import command, parts
from stream_sim.send.command import Request, Summary
from stream_sim.send.options import Job
from stream_sim.send.part import Said
from stream_sim.traffic import payloads
from stream_sim.traffic.sources import event_times
from tests import trip_files
from tests.contract.conftest import moto_settings
from tests.contract.door import Door
from trips import tlc

PROGRAM = """
import json, sys
from pathlib import Path
from rich.progress import Progress
from infra.common import console
from stream_sim.send import command
options = json.loads(sys.argv[1])
request = command.Request(**options | {"out": Path(options["out"])})
console.run(lambda: command.run(request, Progress(disable=True)))
"""
KILLED_AT_ITS_FIFTH_PUT = f"""
import itertools, os, signal, boto3
boto3.setup_default_session()
calls = itertools.count(1)
def end(**_):
    if next(calls) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
boto3.DEFAULT_SESSION.events.register("after-call.kinesis.PutRecords", end)
{PROGRAM}
"""
LITTLE_ROOM = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
{PROGRAM}
"""
IN_THE_BACKGROUND = f"""
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a script's shell does for what it runs with `&`
{PROGRAM}
"""
PATIENCE_SECONDS = 600

Found = dict[str, tuple[str, bytes]]
"""By event id: partition key and data of what is in the stream."""


def asked(folder: Path, **changes: Any) -> Request:
    options: dict[str, Any] = {"stream": "ride-events", "out": folder, "rate": 1e6, "processes": 1}
    return Request(**options | changes)


def send(capsys: pytest.CaptureFixture[str], request: Request) -> Summary:
    """Runs the command in this process, and gives what it prints."""
    capsys.readouterr()
    command.run(request, Progress(disable=True))
    return msgspec.json.decode(capsys.readouterr().out, type=Summary)


def start(folder: Path, program: str = PROGRAM, **changes: Any) -> "subprocess.Popen[str]":
    """Runs the command in a process of its own; it is told what the environment says of moto."""
    options = {"stream": "ride-events", "out": str(folder), "rate": 1e6, "processes": 1} | changes
    return subprocess.Popen(
        [sys.executable, "-c", program, json.dumps(options)],
        cwd=ROOT,
        env={**moto_settings(), "PATH": os.environ["PATH"], "HOME": "/nope"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Its exit code, and what it said on standard output and error."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


def in_stream(aws: boto3.Session) -> Found:
    kinesis = aws.client("kinesis")
    found: Found = {}
    for shard in kinesis.list_shards(StreamName="ride-events")["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName="ride-events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while (page := kinesis.get_records(ShardIterator=iterator))["Records"]:
            for record in page["Records"]:
                event_id = f"{shard['ShardId']}:{record['SequenceNumber']}"
                found[event_id] = record["PartitionKey"], record["Data"]
            iterator = page["NextShardIterator"]
    return found


def ids(found: Found) -> Counter[str]:
    """The ids of the rides in the stream, those packed in aggregates one by one."""
    return Counter(
        key
        for partition_key, data in found.values()
        for key in (
            [user.partition_key for user in kpl.user_records(data)]
            if kpl.is_aggregated(data)
            else [partition_key]
        )
    )


def entries[E](folder: Path, kind: type[E]) -> Iterator[tuple[Run, E]]:
    for part, run in ledger.runs(folder).items():
        for entry in ledger.entries(folder, part):
            if isinstance(entry, kind):
                yield run, entry


def intended(folder: Path) -> set[str]:
    return {
        ledger.ride_id(run, entry.first + index)
        for run, entry in entries(folder, Intended)
        for index in range(len(entry.minutes))
    }


def taken(folder: Path) -> dict[str, str]:
    """By event id: the first ride of each record that the ledger says was taken."""
    return {
        record.event_id: ledger.ride_id(run, record.first)
        for run, entry in entries(folder, Taken)
        for record in entry.records
    }


def rides_taken(folder: Path) -> int:
    return sum(
        record.packed or 1 for _, entry in entries(folder, Taken) for record in entry.records
    )


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def has_taken(folder: Path, parts: int = 1) -> Callable[[], bool]:
    """Whether each part's ledger says that something was taken."""

    def reached() -> bool:
        files = list(folder.glob("ledger-*.ndjson"))
        return len(files) == parts and all(b'"taken"' in file.read_bytes() for file in files)

    return reached


@contextlib.contextmanager
def interrupted_by(number: signal.Signals) -> Iterator[None]:
    """The signal interrupts this process as Ctrl-C does."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.fixture
def port() -> Iterator[int]:
    """A port that no other process is given while nobody listens there."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((ports.HOST, 0))
        yield held.getsockname()[1]


def test_the_ledger_knows_each_ride_by_the_event_id_that_kinesis_gives(
    aws: boto3.Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = send(capsys, asked(tmp_path / "run", count=1_200, malformed=0.2, as_json=True))
    found = in_stream(aws)
    assert (summary.sent, summary.stream, summary.rate) == (1_200, "ride-events", 1e6)
    assert {event_id: key for event_id, (key, _) in found.items()} == taken(tmp_path / "run")
    ((run, _),) = [*entries(tmp_path / "run", Intended)][:1]
    assert (run.run, run.stream, run.options["count"]) == (summary.run, "ride-events", 1_200)
    assert set(run.versions) == {"ride-scoring", "boto3", "kinesis-python", "numpy", "Python"}
    reasons = {
        ledger.ride_id(run, number): reason
        for run, entry in entries(tmp_path / "run", Intended)
        for number, reason in entry.reasons.items()
    }
    for key, data in found.values():
        assert reasons.pop(key, None) == payloads.reason(data)
    assert reasons == {}


@pytest.mark.few(1)
@pytest.mark.parametrize("processes", [3, 1])
def test_several_processes_send_their_shares_packed_or_not(
    aws: boto3.Session, tmp_path: Path, capsys: pytest.CaptureFixture[str], processes: int
) -> None:
    request = asked(
        tmp_path / "run", count=1_001, processes=processes, aggregate=True, as_json=True
    )
    assert send(capsys, request).sent == 1_001
    found = in_stream(aws)
    runs = ledger.runs(tmp_path / "run")
    assert sorted(runs) == list(range(processes))
    assert {(run.run, run.parts) for run in runs.values()} == {(runs[0].run, processes)}
    assert set(ids(found)) == intended(tmp_path / "run")
    assert len(ids(found)) == ids(found).total() == rides_taken(tmp_path / "run") == 1_001
    assert len(found) < 20
    counts = Counter(ride_id.split("-")[1] for ride_id in ids(found))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_stream_that_is_not_there_is_named_before_a_ledger_is_begun(
    aws: boto3.Session, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="the stream 'nowhere' does not exist"):
        command.run(asked(tmp_path / "run", stream="nowhere"), Progress(disable=True))
    assert not (tmp_path / "run").exists()
    assert aws


def test_a_folder_of_another_run_is_refused_by_all_parts(
    aws: boto3.Session, tmp_path: Path
) -> None:
    (tmp_path / "ledger-0.ndjson").touch()
    with pytest.raises(
        UserError, match=r"ledger-0\.ndjson belongs to another run: name another folder"
    ):
        command.run(asked(tmp_path, count=100, processes=2), Progress(disable=True))
    assert [path.name for path in tmp_path.iterdir()] == ["ledger-0.ndjson"]
    assert not in_stream(aws)


def test_a_killed_run_leaves_a_ledger_that_knows_all_that_the_stream_took(
    aws: boto3.Session, tmp_path: Path
) -> None:
    process = start(tmp_path / "run", KILLED_AT_ITS_FIFTH_PUT, count=20_000)
    assert end(process)[0] == -signal.SIGKILL
    found = in_stream(aws)
    assert len(found) >= 5 * 500
    assert set(ids(found)) <= intended(tmp_path / "run")
    assert taken(tmp_path / "run").items() <= {e: key for e, (key, _) in found.items()}.items()


@pytest.mark.few(1)
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_with_the_count_of_what_was_sent(
    aws: boto3.Session, tmp_path: Path, processes: int, number: signal.Signals
) -> None:
    process = start(tmp_path / "run", count=1_000_000, rate=500.0, processes=processes)
    wait_until(has_taken(tmp_path / "run", processes))
    process.send_signal(number)
    code, out, err = end(process)
    count = rides_taken(tmp_path / "run")
    assert (code, out) == (130, "")
    assert err == f"error: stopped after {count} rides, which are in {tmp_path / 'run'}\n"
    assert len(in_stream(aws)) == count > 0


@pytest.mark.thorough
def test_in_the_background_it_ends_with_the_count_too(aws: boto3.Session, tmp_path: Path) -> None:
    process = start(tmp_path / "run", IN_THE_BACKGROUND, count=1_000_000, rate=500.0, processes=2)
    wait_until(has_taken(tmp_path / "run", 2))
    process.terminate()
    code, _, err = end(process)
    count = rides_taken(tmp_path / "run")
    assert code == 130
    assert err.startswith(f"error: stopped after {count} rides")
    assert len(in_stream(aws)) == count


@pytest.mark.thorough
def test_an_interrupt_while_a_line_of_a_part_is_counted_loses_none(
    aws: boto3.Session, tmp_path: Path
) -> None:
    counted: list[int] = []

    def count(said: Said) -> None:
        if not counted:
            os.kill(os.getpid(), signal.SIGTERM)
        counted.append(said.rides)

    request = asked(tmp_path / "run", count=1_000_000, rate=500.0)
    runs = [Run("0123abcd", part, 2, 1.5, "ride-events", {}, {}) for part in range(2)]
    with interrupted_by(signal.SIGTERM), pytest.raises(KeyboardInterrupt):
        parts.send([Job(request, run, tmp_path / "run") for run in runs], count)
    assert sum(counted) == rides_taken(tmp_path / "run") == len(in_stream(aws)) > 0


def test_no_part_outlives_a_run_that_is_killed(aws: boto3.Session, tmp_path: Path) -> None:
    process = start(tmp_path / "run", count=1_000_000, rate=500.0, processes=2)
    wait_until(has_taken(tmp_path / "run", 2))
    children = (
        Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    )
    assert len(children) == 3  # two parts, and the reaper
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)
    wait_until(lambda: not any(reaper.leads_a_group(int(child)) for child in children))
    assert set(ids(in_stream(aws))) <= intended(tmp_path / "run")


@pytest.mark.thorough
def test_where_one_part_fails_all_end_with_its_sentence(aws: boto3.Session, tmp_path: Path) -> None:
    process = start(tmp_path / "run", count=1_000_000, rate=500.0, processes=2)
    wait_until(has_taken(tmp_path / "run", 2))
    aws.client("kinesis").delete_stream(StreamName="ride-events")
    code, _, err = end(process)
    said, sentence = err.splitlines()
    assert code == 1
    assert said.endswith(
        f"rides were sent to ride-events before this; the ledger is in {tmp_path / 'run'}:"
    )
    assert "ResourceNotFoundException" in sentence


def test_nothing_is_sent_that_a_full_disk_could_not_note(
    aws: boto3.Session, tmp_path: Path
) -> None:
    process = start(tmp_path / "run", LITTLE_ROOM, count=20_000)
    code, out, err = end(process)
    assert (code, out) == (1, "")
    assert "rides were sent to ride-events before this" in err
    assert "ledger-0.ndjson cannot be written (File too large): free some space" in err
    found = in_stream(aws)
    assert 0 < len(found) < 20_000
    assert set(ids(found)) <= intended(tmp_path / "run")


def test_an_endpoint_that_goes_away_and_comes_back_loses_nothing(
    aws: boto3.Session,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    port: int,
) -> None:
    door = Door()
    door.port = port
    door.open()

    def close_for_a_while() -> None:
        wait_until(has_taken(tmp_path / "run"))
        door.close()
        time.sleep(1.0)
        door.open()

    with monkeypatch.context() as behind_it:
        behind_it.setenv("AWS_ENDPOINT_URL", f"http://{ports.HOST}:{port}")
        closing = threading.Thread(target=close_for_a_while)
        closing.start()
        request = asked(tmp_path / "run", count=900, rate=300.0, malformed=0.0, as_json=True)
        assert send(capsys, request).sent == 900
        closing.join()
    door.close()
    found = ids(in_stream(aws))
    assert set(found) == intended(tmp_path / "run")
    doubted = [r for _, entry in entries(tmp_path / "run", Unanswered) for r in entry.records]
    assert found.total() <= 900 + len(doubted)


def test_a_replay_by_event_time_sends_the_file_in_its_own_time(
    aws: boto3.Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trip_files.write(tmp_path / "trips.parquet", trip_files.columns(40))
    ridden = tlc.read(path)
    request = asked(
        tmp_path / "run", trips=path, speed_up=2e6, rate=None, malformed=0.0, as_json=True
    )
    command.run(request, Progress(disable=True))
    out, err = capsys.readouterr()
    summary = msgspec.json.decode(out, type=Summary)
    assert (summary.sent, summary.rate, err) == (40, None, "")
    assert summary.seconds >= event_times(ridden, 2e6)[-1] > 1
    miles = [decode(data).ride.trip_distance for _, data in in_stream(aws).values()]
    assert sorted(miles) == sorted(ridden.distance_miles.tolist())
