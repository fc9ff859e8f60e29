"""`verify` against moto: from a ledger and a stream to an account, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from infra.common import ports
from infra.common.paths import ROOT
from ride_scoring.aws import connect
from ride_scoring.domain.events import Prediction
from ride_scoring.streams import kpl
from ride_scoring.streams.records import Reject
from ride_scoring.streams.rejects import RejectStore
from stream_sim import ledger
from stream_sim.kinesis.dead_letters import FailedRecord
from stream_sim.kinesis.marks import Mark
from stream_sim.simulation.mapping import documents
from stream_sim.simulation.world.stream import StoredRecord
from stream_sim.verify.journal import FILE_NAME, Head, Journal, JournalPage
from stream_sim.verify.reading import Outcomes
from stream_sim.verify.reconciliation import Reconciliation, Seen, seen
from stream_sim.verify.rides import Rides
from stream_sim.verify.timeline import Timeline
from tests import runs
from tests.contract.conftest import moto_settings
from tests.contract.door import Door
from tests.kinesis_server import KinesisServer
from tests.runs import a_prediction, a_reject, a_run, event_id, ride_id, sent
from tests.waiting import eventually

LONG = 600.0
"""Seconds that anything may take on a machine that is busy."""


def verify(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = ["-m", "stream_sim", "verify", "--out", str(folder), *options]
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **moto_settings()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=LONG)
    return process.returncode, out, errors


def verified(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    code, out, errors = said(verify(folder, "--json", *options))
    assert "Traceback" not in errors
    return code, json.loads(out)


@pytest.fixture(autouse=True)
def names(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    assert aws.region_name
    for name, value in {
        "PREDICTIONS_STREAM_NAME": "ride-predictions",
        "REJECTS_BUCKET": "rejects",
    }.items():
        monkeypatch.setenv(name, value)


def put(predictions: Sequence[Prediction]) -> None:
    kinesis = boto3.client("kinesis")
    for first in range(0, len(predictions), 500):
        kinesis.put_records(
            StreamName="ride-predictions",
            Records=[
                {
                    "Data": msgspec.json.encode(prediction),
                    "PartitionKey": str(prediction.prediction.ride_id),
                }
                for prediction in predictions[first : first + 500]
            ],
        )


def journaled(folder: Path) -> list[JournalPage]:
    path = folder / FILE_NAME
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    decoded = [
        msgspec.json.decode(line, type=Head | JournalPage) for line in lines if line[-1:] == b"\n"
    ]
    return [line for line in decoded if isinstance(line, JournalPage)]


def counted(folder: Path) -> int:
    return sum(len(page.predictions) for page in journaled(folder))


def set_aside(number: int, reason: Any = "schema") -> None:
    RejectStore(connect(os.environ).s3, "rejects").put([a_reject(number, reason)])


def test_a_run_is_accounted_for_and_written_down(tmp_path: Path) -> None:
    runs.write(tmp_path, sent(600, reasons={599: "schema"}))
    put([a_prediction(number, minutes=13.0) for number in range(599)])
    set_aside(599)
    code, account = verified(tmp_path)
    assert code == 0
    assert account["rides"] == {
        "sent": 600,
        "predicted": 599,
        "rejected": 1,
        "failed": 0,
        "lost": 0,
        "repeated": 0,
        "redriven": 0,
    }
    assert account["accuracy"]["ride-duration 3"]["rmse_minutes"] == 1.0
    written = json.loads((tmp_path / "account.json").read_text())
    assert written["account"] == account
    assert sum(written["moments"]["predicted"]) == 599
    assert "599" in (tmp_path / "report.html").read_text()


def test_predictions_in_aggregated_records_are_counted_one_by_one(tmp_path: Path) -> None:
    runs.write(tmp_path, sent(3))
    packed = [(ride_id(number), msgspec.json.encode(a_prediction(number))) for number in range(3)]
    boto3.client("kinesis").put_records(
        StreamName="ride-predictions",
        Records=[
            {"Data": kpl.pack(packed, "0"), "PartitionKey": "a"},
            {"Data": kpl.pack(packed, "0")[:-1], "PartitionKey": "a"},
            {"Data": b"{", "PartitionKey": "a"},
        ],
    )
    code, account = verified(tmp_path)
    assert (code, account["rides"]["predicted"], account["rides"]["repeated"]) == (0, 3, 0)


@pytest.mark.thorough
def test_a_verify_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    runs.write(tmp_path, sent(900))
    put([a_prediction(number) for number in range(400)])
    process = verify(tmp_path, "--deadline", "600")
    assert eventually(lambda: counted(tmp_path) == 400)
    process.kill()
    process.communicate(timeout=LONG)
    before = (tmp_path / FILE_NAME).read_bytes()
    put([a_prediction(number) for number in range(400, 900)])
    code, account = verified(tmp_path)
    assert code == 0
    assert (account["rides"]["predicted"], account["rides"]["repeated"]) == (900, 0)
    assert (tmp_path / FILE_NAME).read_bytes().startswith(before)
    assert counted(tmp_path) == 900


@pytest.mark.thorough
def test_a_verify_that_is_stopped_says_so_and_leaves_what_it_read(tmp_path: Path) -> None:
    runs.write(tmp_path, sent(10))
    put([a_prediction(number) for number in range(4)])
    process = verify(tmp_path, "--deadline", "600")
    assert eventually(lambda: counted(tmp_path) == 4)
    process.send_signal(signal.SIGINT)
    code, _, errors = said(process)
    assert (code, errors.strip()) == (130, "error: stopped")
    assert counted(tmp_path) == 4


@pytest.mark.thorough
def test_what_was_verified_is_verified_again_without_reading_anything(tmp_path: Path) -> None:
    runs.write(tmp_path, sent(10))
    put([a_prediction(number) for number in range(10)])
    first = verified(tmp_path)
    assert verified(tmp_path) == first
    assert counted(tmp_path) == 10


@pytest.mark.thorough
def test_rides_that_came_to_nothing_are_lost_and_named(tmp_path: Path) -> None:
    runs.write(tmp_path, sent(30))
    put([a_prediction(0)])
    code, out, errors = said(verify(tmp_path, "--deadline", "10"))
    assert code == 1
    assert f"lost: {ride_id(1)}" in errors
    assert "… of 29" in errors
    assert "error: 29 rides lost, 0 failed, 0 unexpected" in errors
    assert "report: " in out


@pytest.mark.thorough
def test_an_endpoint_that_is_away_for_a_while_loses_no_ride(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.write(tmp_path, sent(20))
    put([a_prediction(number) for number in range(10)])
    (door := Door()).open()
    with monkeypatch.context() as behind_it:
        behind_it.setenv("AWS_ENDPOINT_URL", f"http://{ports.HOST}:{door.port}")
        process = verify(tmp_path, "--deadline", "40")
    assert eventually(lambda: counted(tmp_path) == 10)
    door.close()
    time.sleep(8)
    put([a_prediction(number) for number in range(10, 20)])
    door.open()
    code, _, errors = said(process)
    assert (code, errors) == (0, "")
    assert counted(tmp_path) == 20
    door.close()


@pytest.mark.thorough
def test_of_an_endpoint_that_stays_away_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.write(tmp_path, sent(20))
    put([a_prediction(number) for number in range(10)])
    (door := Door()).open()
    with monkeypatch.context() as behind_it:
        behind_it.setenv("AWS_ENDPOINT_URL", f"http://{ports.HOST}:{door.port}")
        process = verify(tmp_path, "--deadline", "8")
    assert eventually(lambda: counted(tmp_path) == 10)
    door.close()
    code, out, errors = said(process)
    assert (code, out) == (1, "")
    assert errors.startswith("error: no response for ")
    assert "so the missing rides cannot be judged" in errors
    assert not (tmp_path / "account.json").exists()


@pytest.mark.thorough
def test_what_was_redriven_may_come_to_something_else(tmp_path: Path) -> None:
    runs.write(tmp_path, sent(2, reasons={1: "schema"}))
    set_aside(0, "model_output")
    set_aside(1)
    mark = Mark((event_id(0), event_id(1)))
    boto3.client("s3").put_object(
        Bucket="rejects", Key="redriven/rejects/x.json", Body=msgspec.json.encode(mark)
    )
    put([a_prediction(0, "shard-0:70")])
    code, account = verified(tmp_path)
    assert code == 0
    assert account["rides"]["redriven"] == 2
    assert (account["rides"]["predicted"], account["rides"]["rejected"]) == (1, 1)


def test_the_ledgers_of_several_processes_are_one_run(tmp_path: Path) -> None:
    for part in (0, 1):
        runs.write(tmp_path, sent(5), a_run(part, 2))
    put([a_prediction(n, ride=ride_id(n, part)) for n in range(5) for part in (0, 1)])
    code, account = verified(tmp_path)
    assert (code, account["rides"]["predicted"]) == (0, 10)


@pytest.mark.thorough
def test_what_cannot_be_read_in_the_rejects_bucket_is_named_once(tmp_path: Path) -> None:
    runs.write(tmp_path, sent(2, reasons={1: "schema"}))
    foreign = ("rejects/2026/01/01/00/foreign", "aws/lambda/foreign")
    for key in foreign:
        boto3.client("s3").put_object(Bucket="rejects", Key=key, Body=b"<xml>")
    mark = Mark((event_id(1),))  # all is told again
    boto3.client("s3").put_object(
        Bucket="rejects", Key="redriven/rejects/x.json", Body=msgspec.json.encode(mark)
    )
    set_aside(1)
    put([a_prediction(0)])
    code, out, errors = said(verify(tmp_path, "--json"))
    assert (code, json.loads(out)["rides"]["rejected"]) == (0, 1)
    assert sorted(line.rpartition(" ")[2] for line in errors.splitlines()) == sorted(foreign)


@pytest.mark.thorough
def test_no_ride_is_lost_while_pages_are_empty_and_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadline = 8
    runs.write(tmp_path, sent(1))
    with KinesisServer() as kinesis:
        kinesis.finds_nothing_yet = True
        with monkeypatch.context() as sparse:
            sparse.setenv("AWS_ENDPOINT_URL_KINESIS", kinesis.url)
            process = verify(tmp_path, "--deadline", str(deadline))
        assert eventually(lambda: kinesis.asked["GetRecords"] > 0)
        time.sleep(deadline + 3)
        kinesis.put(0, msgspec.json.encode(a_prediction(0)))
        kinesis.finds_nothing_yet = False
        code, _, errors = said(process)
    assert (code, errors) == (0, "")


class Told(Reconciliation):
    """Notes what it is told."""

    def __init__(self, rides: Rides) -> None:
        super().__init__(runs.RUN, {0: rides}, Timeline(0.0))
        self.what: list[str] = []

    def redriven(self, event_ids: frozenset[str]) -> None:
        self.what.append("redriven")
        super().redriven(event_ids)

    def failed(self, record: FailedRecord) -> None:
        self.what.append("failed")
        super().failed(record)

    def rejected(self, reject: Reject) -> None:
        self.what.append("rejected")
        super().rejected(reject)

    def predicted(self, page: Sequence[Seen]) -> None:
        self.what.append("predicted")
        super().predicted(page)


def told_of(folder: Path, deadline_seconds: float) -> Told:
    """What a verify of the run in the folder tells its reconciliation."""
    with Journal(folder, "ride-predictions") as book, Rides(folder) as rides:
        for entry in ledger.entries(folder, 0):
            rides.add(entry)
        told = Told(rides)
        outcomes = Outcomes(
            runs.RUN, runs.BEGAN.timestamp(), "ride-predictions", "rejects", boto3.Session()
        )
        outcomes.read_into(told, book, deadline_seconds, lambda: None)
    return told


def test_what_was_sent_again_is_known_before_its_predictions_are_told(tmp_path: Path) -> None:
    runs.write(tmp_path, sent(1))
    set_aside(0)
    mark = Mark((event_id(0),))
    boto3.client("s3").put_object(
        Bucket="rejects", Key="redriven/rejects/x.json", Body=msgspec.json.encode(mark)
    )
    with Journal(tmp_path, "ride-predictions") as book:
        assert list(book.pages()) == []
        again = seen(a_prediction(0, "shard-0:70"), runs.BEGAN, runs.RUN)
        assert again
        book.write(JournalPage("shardId-000000000000", "0", [again]))
    told = told_of(tmp_path, 60)
    assert told.what == ["redriven", "rejected", "predicted"]


def test_what_was_given_up_on_is_known_before_what_came_of_it_later(tmp_path: Path) -> None:
    runs.write(tmp_path, sent(1, reasons={0: "schema"}))
    record = StoredRecord(0, ride_id(0), b"", runs.BEGAN.timestamp(), 0)
    key, body = documents.failure(
        "shard-0", [record], condition="", attempts=1, number=1, now=runs.BEGAN.timestamp()
    )
    mark = msgspec.json.encode(Mark((event_id(0),)))
    for name, content in {key: body, f"redriven/{key}.json": mark}.items():
        boto3.client("s3").put_object(Bucket="rejects", Key=name, Body=content)
    RejectStore(connect(os.environ).s3, "rejects").put([a_reject(0, "schema", "shard-0:70")])
    told = told_of(tmp_path, 1)
    assert told.what == ["redriven", "failed", "rejected"]
    assert told.open == 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--stream", "nowhere"), "error: the stream 'nowhere' does not exist"),
        (("--rejects-bucket", "nowhere"), "error: the bucket nowhere does not exist"),
    ],
)
def test_what_is_not_there_is_said(
    tmp_path: Path, options: tuple[str, str], complaint: str
) -> None:
    runs.write(tmp_path, sent(1))
    code, _, errors = said(verify(tmp_path, *options))
    assert code == 1
    assert complaint in errors
    assert "Traceback" not in errors
