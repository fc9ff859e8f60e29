"""What was set aside goes back into the stream once, on moto, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto.s3.models import s3_backends
from rich.progress import Progress

from infra.common.console import UserError
from infra.common.paths import ROOT
from operations.redrive import claim as claims
from operations.redrive import command
from operations.redrive.claim import Claim
from operations.redrive.run import Counts
from ride_scoring.aws import connect
from ride_scoring.errors import RejectReason
from ride_scoring.streams import kpl
from ride_scoring.streams.records import Reject
from ride_scoring.streams.rejects import RejectStore
from stream_sim.kinesis.dead_letters import rejects_bucket
from tests.contract.conftest import moto_settings
from tests.contract.test_data_s3 import credentials_checked

AT = datetime(2023, 1, 14, 13, 31, tzinfo=UTC)
KILLED_AT_ITS_SECOND_PUT = """
import itertools, os, signal, sys, boto3
boto3.setup_default_session()
calls = itertools.count(1)
def end(**_):
    if next(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
boto3.DEFAULT_SESSION.events.register("after-call.kinesis.PutRecords", end)
from stream_sim.__main__ import main
main()
"""

RIGHTS = (
    ("kinesis:DescribeStreamSummary", "*"),  # moto knows no streams' names in policies
    ("kinesis:PutRecords", "*"),
    ("s3:ListBucket", "arn:aws:s3:::rejects"),
    ("s3:GetObject", "arn:aws:s3:::rejects/rejects/*"),
    ("s3:GetObject", "arn:aws:s3:::rejects/redriven/*"),
    ("s3:PutObject", "arn:aws:s3:::rejects/redriven/*"),
)

Taken = Counter[tuple[str, bytes]]


@pytest.fixture(autouse=True)
def new_default_session(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands use boto3's default session: these tests hook into it, each into its own."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", aws)


def a_reject(number: int, reason: RejectReason = "schema", at: datetime = AT) -> Reject:
    data = msgspec.json.encode(f"ride {number}".encode()).decode().strip('"')
    return Reject(f"shard-0:{number}", reason, "cut", data, f"ride-{number}", AT, at)


def set_aside(*rejects: Reject) -> None:
    RejectStore(connect(os.environ).s3, "rejects").put(rejects)


def a_failure(aws: boto3.Session, name: str, **records: bytes) -> None:
    """A failure document as Lambda writes it, of records by their partition keys."""
    found = [
        {
            "eventID": f"shard-0:{name}-{key}",
            "kinesis": {
                "partitionKey": key,
                "data": msgspec.json.encode(data).decode().strip('"'),
                "sequenceNumber": "1",
            },
        }
        for key, data in records.items()
    ]
    put(aws, f"aws/lambda/mapping/shard-0/{name}", json.dumps({"payload": {"Records": found}}))


def put(aws: boto3.Session, key: str, body: str) -> None:
    aws.client("s3").put_object(Bucket="rejects", Key=key, Body=body.encode())


def keys(aws: boto3.Session, prefix: str) -> list[str]:
    found = aws.client("s3").list_objects_v2(Bucket="rejects", Prefix=prefix)
    return [entry["Key"] for entry in found.get("Contents", ())]


def taken(aws: boto3.Session) -> Taken:
    """What is in the events stream, and how many times."""
    kinesis = aws.client("kinesis")
    found = Taken()
    for shard in kinesis.list_shards(StreamName="ride-events")["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName="ride-events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        for record in kinesis.get_records(ShardIterator=iterator)["Records"]:
            found[record["PartitionKey"], record["Data"]] += 1
    return found


def rides(*numbers: int) -> Taken:
    return Taken((f"ride-{number}", f"ride {number}".encode()) for number in numbers)


def redrive(capsys: pytest.CaptureFixture[str], **changes: Any) -> Counts:
    """Runs the command in this process, and gives the counts that it prints."""
    request = command.Request(
        *("rejects", "ride-events", "rejects", [], None, 604_800, 1e6), dry_run=False, as_json=True
    )
    capsys.readouterr()
    command.run(msgspec.structs.replace(request, **changes), Progress(disable=True))
    return msgspec.json.decode(capsys.readouterr().out, type=Counts)


def shell(*arguments: str, program: Sequence[str] = ("-m", "operations")) -> Any:
    """Runs the command in a process of its own; it is told what the environment says of moto."""
    options = ("--stream", "ride-events", "--rejects-bucket", "rejects")
    return subprocess.run(
        [sys.executable, *program, "redrive", *options, *arguments],
        cwd=ROOT,
        env={**moto_settings(), "PATH": os.environ["PATH"], "HOME": "/nope"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def hook(aws: boto3.Session, event: str, handler: Callable[..., Any]) -> Callable[[], None]:
    """Calls the handler at an event of every AWS client, until what is given back is called."""
    aws.events.register(event, handler)
    return lambda: aws.events.unregister(event, handler)


def let_claims_grow_old() -> None:
    """Two minutes pass by S3's clock."""
    (backend,) = (found for found in s3_backends["123456789012"].values() if found.buckets)
    claim: Any = backend.buckets["rejects"].keys[claims.KEY]
    claim.last_modified -= timedelta(seconds=claims.VOID_SECONDS)


def test_rejects_come_back_as_they_were_and_once(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    set_aside(a_reject(1), a_reject(2, "model_output"))
    set_aside(a_reject(3))
    first = redrive(capsys)
    assert first == Counts(to_send=3, sent=3, reasons={"schema": 2, "model_output": 1})
    assert redrive(capsys) == Counts(sent_before=3)
    assert taken(aws) == rides(1, 2, 3)


def test_failures_come_back_one_by_one(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    aggregate = kpl.pack([("a", b"one"), ("b", b"two")], "7")
    a_failure(aws, "first", **{"ride-1": b"ride 1", "many": aggregate})
    a_failure(aws, "second", **{"ride-2": b"\x00\xff"})
    assert redrive(capsys, source="failures") == Counts(to_send=4, sent=4)
    assert redrive(capsys, source="failures") == Counts(sent_before=4)
    assert taken(aws) == Taken(
        [("ride-1", b"ride 1"), ("a", b"one"), ("b", b"two"), ("ride-2", b"\x00\xff")]
    )


def test_one_ride_of_an_aggregate_comes_back_alone(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = msgspec.structs.replace(a_reject(1), event_id="shard-0:77:1")
    set_aside(alone, msgspec.structs.replace(a_reject(2), event_id="shard-0:77:4"))
    assert redrive(capsys).sent == 2
    assert taken(aws) == rides(1, 2)


def test_more_than_one_call_takes_are_all_sent_and_marked(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    set_aside(*(a_reject(number) for number in range(1_100)))
    assert redrive(capsys).sent == 1_100
    assert redrive(capsys).sent_before == 1_100
    assert taken(aws) == rides(*range(1_100))


def test_an_object_that_is_written_again_has_its_new_rejects_sent(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    for rejects in ([a_reject(1), a_reject(2)], [a_reject(1), a_reject(2), a_reject(3)]):
        body = msgspec.json.Encoder().encode_lines(rejects)
        key = "rejects/2023/01/14/13/written-again.ndjson"
        aws.client("s3").put_object(Bucket="rejects", Key=key, Body=body)
        counts = redrive(capsys)
    assert counts == Counts(to_send=1, sent=1, sent_before=2, reasons={"schema": 1})
    assert taken(aws) == rides(1, 2, 3)


def test_a_reject_that_lies_in_two_objects_is_sent_once(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    set_aside(a_reject(1), a_reject(2))
    set_aside(a_reject(2), a_reject(3))
    assert redrive(capsys, reasons=["schema"]).sent == 3
    set_aside(a_reject(3), a_reject(4))
    assert redrive(capsys).sent == 1
    assert taken(aws) == rides(1, 2, 3, 4)


def test_a_record_that_was_rejected_and_then_failed_is_sent_once(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    set_aside(msgspec.structs.replace(a_reject(1), event_id="shard-0:first-ride-1"))
    a_failure(aws, "first", **{"ride-1": b"ride 1", "ride-2": b"ride 2"})
    redrive(capsys)
    assert redrive(capsys, source="failures") == Counts(to_send=1, sent=1, sent_before=1)
    assert taken(aws) == rides(1, 2)


def test_what_is_not_asked_for_stays_to_be_sent_later(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    late = AT + timedelta(hours=2)
    set_aside(a_reject(1, "schema"), a_reject(2, "model_output"), a_reject(3, "too_large"))
    set_aside(a_reject(4, "model_output", late), a_reject(5, "schema", late))
    redrive(capsys, reasons=["model_output", "too_large"], since="2023-01-14T14:00:00Z")
    assert taken(aws) == rides(4)
    redrive(capsys, reasons=["model_output", "too_large"])
    assert taken(aws) == rides(2, 3, 4)
    redrive(capsys)
    assert taken(aws) == rides(1, 2, 3, 4, 5)


def test_failures_are_as_old_as_their_objects(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    a_failure(aws, "first", **{"ride-1": b"ride 1"})
    later = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    assert redrive(capsys, source="failures", since=later) == Counts()
    assert redrive(capsys, source="failures", since="1h").sent == 1
    assert taken(aws) == rides(1)


def test_a_dry_run_says_the_same_and_sends_and_writes_nothing(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    set_aside(a_reject(1), a_reject(2, "model_output"))
    set_aside(a_reject(2, "model_output"), a_reject(3))
    planned = redrive(capsys, dry_run=True)
    assert planned == Counts(to_send=3, sent_before=1, reasons={"schema": 2, "model_output": 1})
    assert taken(aws) == Taken()
    assert keys(aws, "redriven/") == []
    assert redrive(capsys) == msgspec.structs.replace(planned, sent=3)
    assert redrive(capsys, dry_run=True) == Counts(sent_before=4)


@pytest.mark.thorough
def test_the_command_says_what_it_did(aws: boto3.Session) -> None:
    assert "nothing to send: no other rejects" in shell("--from", "rejects").stdout
    set_aside(a_reject(1), a_reject(2, "model_output"))
    said = "2 records would be sent to ride-events (model_output 1, schema 1)\n"
    assert shell("--from", "rejects", "--dry-run").stdout == said
    done = shell("--from", "rejects", "--reason", "schema")
    assert (done.returncode, done.stdout, done.stderr) == (
        *(0, "1 records sent to ride-events (schema 1)\n", ""),
    )
    again = shell("--from", "rejects", "--json")
    assert json.loads(again.stdout)["sent_before"] == 1
    assert taken(aws) == rides(1, 2)


def test_a_damaged_object_is_named_and_the_others_go(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    a_failure(aws, "first", **{"ride-1": b"ride 1"})
    put(aws, "aws/lambda/mapping/shard-0/m", "<html>")
    a_failure(aws, "second", **{"ride-2": b"ride 2"})
    with pytest.raises(SystemExit) as ended:
        redrive(capsys, source="failures")
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert "aws/lambda/mapping/shard-0/m is damaged: JSON is malformed" in said
    assert "error: 1 objects in rejects are damaged" in said
    assert taken(aws) == rides(1, 2)


def test_a_record_larger_than_a_stream_takes_is_named_and_the_others_go(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    large = b"x" * (1024 * 1024 + 1)
    a_failure(aws, "first", **{"ride-1": b"ride 1", "large": large, "ride-2": b"ride 2"})
    with pytest.raises(SystemExit) as ended:
        redrive(capsys, source="failures")
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert "is damaged: shard-0:first-large has 1,048,582 bytes, and the stream takes" in said
    assert taken(aws) == rides(1, 2)


def test_a_large_record_goes_to_a_stream_that_says_it_takes_such(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    def takes_large_ones(parsed: dict[str, Any], **_: Any) -> None:
        parsed["StreamDescriptionSummary"]["MaxRecordSizeInKiB"] = 10_240

    large = b"x" * (1024 * 1024 + 1)
    a_failure(aws, "first", **{"ride-1": b"ride 1", "large": large})
    hook(aws, "after-call.kinesis.DescribeStreamSummary", takes_large_ones)
    counts = redrive(capsys, source="failures", dry_run=True)
    assert (counts.to_send, counts.damaged) == (2, [])


def test_a_redrive_that_is_killed_repeats_only_the_call_it_was_at(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    set_aside(*(a_reject(number) for number in range(25)))
    killed = shell("--from", "rejects", "--rate", "10", program=("-c", KILLED_AT_ITS_SECOND_PUT))
    assert killed.returncode == -signal.SIGKILL
    assert taken(aws) == rides(*range(20))
    with pytest.raises(
        UserError, match=r"is in progress: wait until it ends, or 1\d\d s if it was"
    ):
        redrive(capsys)
    let_claims_grow_old()
    assert redrive(capsys) == Counts(to_send=15, sent=15, sent_before=10, reasons={"schema": 15})
    assert taken(aws) == rides(*range(25)) + rides(*range(10, 20))
    assert redrive(capsys) == Counts(sent_before=25)


def test_where_a_mark_cannot_be_written_its_call_is_repeated_and_the_count_is_told(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(params: Any, **_: Any) -> None:
        if "redriven/rejects/" in params["url_path"]:
            raise EndpointConnectionError(endpoint_url="https://s3")

    set_aside(a_reject(1), a_reject(2))
    mend = hook(aws, "before-call.s3.PutObject", away)
    with pytest.raises(EndpointConnectionError):
        redrive(capsys)
    assert "2 records were sent to ride-events before this:" in capsys.readouterr().err
    mend()
    assert redrive(capsys).sent == 2
    assert taken(aws) == rides(1, 2) + rides(1, 2)


def test_what_the_stream_refuses_for_too_long_is_left_for_the_next_run(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def busy(params: Any, **_: Any) -> None:
        calls.append(params["url"])
        if len(calls) > 1:
            code = "ProvisionedThroughputExceededException"
            raise ClientError({"Error": {"Code": code, "Message": "slow down"}}, "PutRecords")

    monkeypatch.setattr("stream_sim.kinesis.puts._PATIENCE_SECONDS", 0.1)
    set_aside(*(a_reject(number) for number in range(700)))
    mend = hook(aws, "before-call.kinesis.PutRecords", busy)
    with pytest.raises(UserError, match=r"ride-events refused rides .* slow down"):
        redrive(capsys)
    assert "500 records were sent to ride-events before this:" in capsys.readouterr().err
    mend()
    assert redrive(capsys).sent == 200
    assert taken(aws) == rides(*range(700))


def test_ctrl_c_says_how_many_were_sent_and_the_next_run_sends_the_rest(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(**_: Any) -> None:
        if taken(aws):
            raise KeyboardInterrupt

    set_aside(*(a_reject(number) for number in range(700)))
    mend = hook(aws, "before-call.kinesis.PutRecords", interrupt)
    with pytest.raises(SystemExit) as ended:
        redrive(capsys)
    assert ended.value.code == 130
    assert "stopped after 500 records were sent: run it again" in capsys.readouterr().err
    mend()
    assert redrive(capsys).sent == 200
    assert taken(aws) == rides(*range(700))


def test_of_two_at_once_the_second_stands_back(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    complaints: list[str] = []

    def meanwhile(**_: Any) -> None:
        with pytest.raises(UserError) as refused:
            redrive(capsys)
        complaints.append(str(refused.value))

    set_aside(a_reject(1), a_reject(2))
    hook(aws, "before-call.kinesis.PutRecords", meanwhile)
    assert redrive(capsys).sent == 2
    assert len(complaints) == 1
    assert complaints[0].startswith(f"a redrive of rejects by process {os.getpid()} on ")
    assert taken(aws) == rides(1, 2)


def test_a_redrive_that_stood_still_sends_nothing_once_another_took_its_place(
    aws: boto3.Session,
) -> None:
    bucket = rejects_bucket(aws.client("s3"), "rejects")
    stood_still, other = Claim(bucket), Claim(bucket)
    stood_still.take()
    let_claims_grow_old()
    other.take()
    stood_still._renewed_at = float("-inf")
    with pytest.raises(UserError, match="another redrive of rejects started first"):
        stood_still.renew()
    other.release()
    Claim(bucket).take()


def test_of_two_writes_where_nothing_was_one_is_told_that_it_came_second(
    aws: boto3.Session,
) -> None:
    bucket = rejects_bucket(aws.client("s3"), "rejects")
    first = bucket.write("redriven/x", b"one", None)
    assert first
    assert bucket.write("redriven/x", b"two", None) is None
    assert bucket.write("redriven/x", b"one", None) == first  # a write that boto3 repeats
    assert bucket.write("redriven/x", b"three", first)
    assert bucket.write("redriven/x", b"four", first) is None


def test_a_damaged_mark_is_named_and_nothing_is_sent(
    aws: boto3.Session, capsys: pytest.CaptureFixture[str]
) -> None:
    set_aside(a_reject(1))
    redrive(capsys)
    (mark,) = keys(aws, "redriven/rejects/")
    put(aws, mark, "{")
    with pytest.raises(
        UserError, match=f"s3://rejects/{mark} records what was already sent, but is"
    ):
        redrive(capsys)
    assert taken(aws) == rides(1)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            ("--stream", "nowhere"),
            "the stream 'nowhere' does not exist: `terraform apply` creates it",
        ),
        (("--stream", ""), "the stream '' does not exist"),
        (("--rejects-bucket", "nowhere"), "the bucket nowhere does not exist: `terraform apply`"),
        (("--rejects-bucket", "a b"), "'a b' is not a valid bucket name"),
        (("--reason", "shcema"), "'shcema' is no reason: is it schema?"),
        (("--since", "noon"), "'noon' is not a time"),
    ],
)
def test_what_cannot_be_redriven_is_one_sentence(options: tuple[str, ...], complaint: str) -> None:
    done = shell("--from", "rejects", *options)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"error: {complaint}")


def somebody_who_may(
    aws: boto3.Session, rights: Sequence[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment is from here on that of a user with these rights and no others."""
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in rights
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    client: Any = aws.client
    iam = client("iam")
    iam.create_user(UserName="operator")
    iam.put_user_policy(UserName="operator", PolicyName="redrive", PolicyDocument=policy)
    key = iam.create_access_key(UserName="operator")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])


@pytest.mark.thorough
def test_the_rights_that_a_redrive_needs_are_enough(
    aws: boto3.Session, moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_aside(a_reject(1))
    somebody_who_may(aws, RIGHTS, monkeypatch)
    with credentials_checked(moto_endpoint):
        done, again = shell("--from", "rejects"), shell("--from", "rejects")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 had been sent before" in again.stdout
    assert taken(aws) == rides(1)


@pytest.mark.few(1)
@pytest.mark.parametrize("lacking", RIGHTS, ids=" ".join)
def test_without_one_of_the_rights_nothing_is_marked_and_it_is_said(
    aws: boto3.Session,
    moto_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    lacking: tuple[str, str],
) -> None:
    set_aside(a_reject(1))
    somebody_who_may(aws, [right for right in RIGHTS if right != lacking], monkeypatch)
    with credentials_checked(moto_endpoint):
        done = shell("--from", "rejects")
    service = "the bucket rejects is not accessible" if lacking[0] > "s3" else "AWS refused"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {service}")
    assert keys(aws, "redriven/rejects/") == []


def test_no_credentials_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    done = shell("--from", "failures")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: no AWS credentials")
