"""`watch` as a person runs it, on moto's streams and bucket: lines, and a page on a terminal."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import msgspec
import pytest

from infra.common.paths import ROOT
from operations.watch.plain import Line
from ride_scoring.aws import connect
from ride_scoring.domain.events import Prediction, Ride, RideDuration
from ride_scoring.identity import Role
from ride_scoring.streams import kpl
from ride_scoring.streams.records import Reject
from ride_scoring.streams.rejects import RejectStore
from tests.factories import event_json
from tests.kinesis_server import KinesisServer

LONG = 600.0
"""Seconds that anything may take on a machine that is busy."""
OFTEN = ("--every", "0.5")
STREAMS = ("ride-events", "ride-predictions", "rejects")


def watch(events: str, predictions: str, bucket: str, *options: str) -> list[str]:
    names = ("--events-stream", events, "--stream", predictions, "--rejects-bucket", bucket)
    return [sys.executable, "-m", "operations", "watch", *names, *options]


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Killed after a while: one that says nothing would hold up the test."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        (timer := threading.Timer(2 * LONG, process.kill)).start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def line_with(process: subprocess.Popen[str], pattern: str) -> str:
    """The first line that the pattern is found in."""
    assert process.stdout
    deadline = time.monotonic() + LONG
    for line in process.stdout:
        if re.search(pattern, line):
            return line
        assert time.monotonic() < deadline, line
    assert process.stderr
    raise AssertionError(process.stderr.read())


class Deployment:
    """Puts into streams and bucket what a function would."""

    def __init__(self, session: boto3.Session) -> None:
        self._kinesis = session.client("kinesis")

    def take_in(self, data: bytes) -> str:
        answer = self._kinesis.put_record(
            StreamName="ride-events", Data=data, PartitionKey="key", ExplicitHashKey="0"
        )
        return f"{answer['ShardId']}:{answer['SequenceNumber']}"

    def predict(self, event_id: str, version: str = "3", role: Role = "champion") -> None:
        at = datetime.now(UTC)
        made = Prediction(
            "ride-duration",
            version,
            RideDuration(9.5, 1),
            event_id,
            "run",
            role,
            Ride(74, 75, 1.0),
            at,
            at,
        )
        self._kinesis.put_record(
            StreamName="ride-predictions", Data=msgspec.json.encode(made), PartitionKey="1"
        )

    def reject(self, event_id: str) -> None:
        at = datetime.now(UTC)
        reject = Reject(event_id, "not_json", "", "eA==", "key", at, at)
        RejectStore(connect(os.environ).s3, "rejects").put([reject])

    def give_up(self, event_id: str, data: bytes) -> None:
        record = {"eventID": event_id, "kinesis": {"partitionKey": "key", "data": data}}
        boto3.client("s3").put_object(
            Bucket="rejects",
            Key=f"aws/lambda/mapping/shard/{event_id}",
            Body=msgspec.json.encode({"payload": {"Records": [record]}}),
        )


def feed(deployment: Deployment) -> None:
    """Eight rides: three predicted, one of them twice and by a shadow, one rejected, two given up,
    and two that wait."""
    packed = kpl.pack([(str(n), event_json(ride_id=n)) for n in range(3)], "0")
    event_id = deployment.take_in(packed)
    for index in range(3):
        deployment.predict(f"{event_id}:{index}")
    deployment.predict(f"{event_id}:0")
    deployment.predict(f"{event_id}:0", version="4", role="shadow")
    deployment.reject(deployment.take_in(b"no json"))
    two = kpl.pack([("a", event_json()), ("b", event_json())], "0")
    deployment.give_up(deployment.take_in(two), two)
    deployment.take_in(event_json())
    deployment.take_in(packed[:-1])


def test_lines_say_what_the_streams_and_the_bucket_hold(aws: boto3.Session) -> None:
    deployment = Deployment(aws)
    deployment.predict(deployment.take_in(event_json()), version="2")  # before the watch
    time.sleep(0.01)
    with started(watch(*STREAMS, "--plain", *OFTEN)) as process:
        line_with(process, "in 0/s")
        feed(deployment)
        said = line_with(process, "backlog 2 .*rejects 1 failed 2 model ride-duration 3$")
        assert re.match(r"\d\d:\d\d:\d\d in ", said)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=LONG)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.thorough
def test_json_lines_are_for_programs(aws: boto3.Session) -> None:
    deployment = Deployment(aws)
    with started(watch(*STREAMS, "--json", *OFTEN)) as process:
        line_with(process, '"taken_in":0')
        for key in ("rejects/9999/foreign", "aws/lambda/foreign"):
            boto3.client("s3").put_object(Bucket="rejects", Key=key, Body=b"<xml>")
        feed(deployment)
        said = line_with(process, '"taken_in":8.*"predicted":3.*"not_json":1.*"failed":2')
    line = msgspec.json.decode(said, type=Line)
    assert (line.backlog, line.repeated, line.model, line.version) == (2, 1, "ride-duration", "3")
    assert line.silent_seconds is None


@pytest.mark.thorough
def test_what_is_no_terminal_gets_lines_for_as_long_as_was_asked(aws: boto3.Session) -> None:
    assert aws
    with started(watch(*STREAMS, "--every", "1", "--duration", "2")) as process:
        said, errors = process.communicate(timeout=LONG)
    assert (process.returncode, errors) == (0, "")
    assert said.count("backlog 0") >= 1


@pytest.mark.few(3)
@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("nowhere", *STREAMS[1:]), "'nowhere' does not exist.*EVENTS_STREAM_NAME"),
        ((STREAMS[0], "nowhere", STREAMS[2]), "'nowhere' does not exist.*PREDICTIONS_STREAM_NAME"),
        ((*STREAMS[:2], "nowhere"), "the bucket nowhere does not exist"),
        (("", *STREAMS[1:]), "'' does not exist"),
        ((*STREAMS[:2], ""), "'' is not a valid bucket name"),
    ],
)
def test_what_is_not_there_is_said_before_the_page_opens(
    names: tuple[str, str, str], complaint: str
) -> None:
    with started(watch(*names)) as process:
        said, errors = process.communicate(timeout=LONG)
    assert (process.returncode, said) == (1, "")
    assert re.fullmatch(rf"error: .*{complaint}.*\n", errors), errors


def test_no_credentials_are_one_sentence(
    aws: boto3.Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert aws
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with started(watch(*STREAMS, "--plain", *OFTEN)) as process:
        said, errors = process.communicate(timeout=LONG)
    assert (process.returncode, said, errors.count("\n")) == (1, "", 1)
    assert "no AWS credentials" in errors


@pytest.mark.thorough
def test_an_endpoint_that_goes_away_is_said_until_it_is_back(
    aws: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert aws
    with KinesisServer() as kinesis:
        host = kinesis.url.removeprefix("http://")
        monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", f"http://rides:canary@{host}")
        with started(watch(*STREAMS, "--plain", *OFTEN)) as process:
            line_with(process, "backlog 0")
            kinesis.put(0, event_json())
            line_with(process, "backlog 1")
            kinesis.go_away()
            silent = line_with(process, r"no response for \d+ s")
            assert f"@{host}" in silent
            assert "canary" not in silent
            kinesis.put(0, event_json())
            kinesis.come_back()
            assert "no answer" not in line_with(process, "backlog 2 rejects 0$")


class Terminal:
    """A pseudo-terminal of 80 x 24 with a watch on it."""

    def __init__(self, command: list[str]) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(ours)
        self.said = ""
        self._ours = ours
        self._theirs = theirs
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def until(self, text: str) -> None:
        deadline = time.monotonic() + LONG
        while text not in self.said:
            assert time.monotonic() < deadline, self.said[-2_000:]
            self._read()

    def exit_code(self) -> int:
        """Reads to the end, as a terminal that is not read holds the process up."""
        deadline = time.monotonic() + LONG
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            self._read()
        self._read()
        return self.process.wait()

    def settings(self) -> list[int | list[bytes | int]]:
        return termios.tcgetattr(self._ours)

    def _read(self) -> None:
        if select.select([self._ours], [], [], 0.2)[0]:
            self.said += os.read(self._ours, 65_536).decode(errors="replace")


LEFT_THE_PAGE = "\x1b[?1049l"


@pytest.mark.few(1)
@pytest.mark.parametrize("way", ["q", "\x03", "SIGTERM"])
def test_a_page_on_a_terminal_opens_counts_and_leaves_the_terminal_as_it_was(
    aws: boto3.Session, way: str
) -> None:
    with Terminal(watch(*STREAMS)) as terminal:
        terminal.until("backlog")
        feed(Deployment(aws))
        terminal.until("ride-duration 3")
        assert LEFT_THE_PAGE not in terminal.said
        if way == "SIGTERM":
            terminal.process.terminate()
        else:
            terminal.type(way)
        assert terminal.exit_code() == 0
        assert LEFT_THE_PAGE in terminal.said
        assert "Traceback" not in terminal.said
        assert terminal.settings() == terminal.before


@pytest.mark.thorough
def test_a_page_whose_stream_is_deleted_ends_with_a_sentence(aws: boto3.Session) -> None:
    with Terminal(watch(*STREAMS)) as terminal:
        terminal.until("backlog")
        aws.client("kinesis").delete_stream(StreamName="ride-events")
        assert terminal.exit_code() == 1
        behind = terminal.said.partition(LEFT_THE_PAGE)[2]
        assert "the stream 'ride-events' does not exist" in behind
        assert "Traceback" not in terminal.said


@pytest.mark.thorough
def test_a_page_closes_by_itself_when_its_time_is_up(aws: boto3.Session) -> None:
    assert aws
    with Terminal(watch(*STREAMS, "--duration", "1")) as terminal:
        assert terminal.exit_code() == 0
        assert LEFT_THE_PAGE in terminal.said
