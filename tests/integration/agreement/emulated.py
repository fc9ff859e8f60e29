"""A schedule in, its course on LocalStack out, with the records that it was given."""

import io
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import boto3
import msgspec

from stream_sim.kinesis.dead_letters import FAILURES_PREFIX
from stream_sim.simulation.world.stream import Entry
from tests.integration.agreement import scripted
from tests.integration.agreement.course import Course
from tests.integration.agreement.kept import CallLog, KeptStream, Taken
from tests.integration.agreement.schedules import Schedule
from tests.integration.agreement.scripted import Call

_BUCKET: Final = "set-aside"
_ROLE: Final = "arn:aws:iam::000000000000:role/scripted"
_PATIENCE_SECONDS: Final = 600.0
_POLL_SECONDS: Final = 0.2
_PROBES_FROM: Final = 10_000
_ENDS_FROM: Final = 100_000
_SHORT_SECONDS: Final = 5
"""The timeout of a function that is asked to hang: others have a minute, as a machine may stall."""


class Ran(msgspec.Struct, frozen=True):
    """What a mapping was given, in the order of each shard: `before` it began to read, `after`, and
    `ends` once all that was done.
    """

    course: Course
    before: Sequence[Entry]
    after: Sequence[Entry]
    ends: Sequence[Entry]


class Clients:
    """LocalStack's, as the environment names it, and a bucket for what is set aside."""

    def __init__(self) -> None:
        session = boto3.Session()  # boto3's own one would keep these keys for the tests to come
        self.kinesis = session.client("kinesis")
        self.functions = session.client("lambda")
        self.s3 = session.client("s3")
        self.s3.create_bucket(Bucket=_BUCKET)


def run(clients: Clients, schedule: Schedule, log: Path) -> Ran:
    """What LocalStack's mapping does with the records; the function writes its calls to `log`.

    Where it does not come to the end, the course is what there was by then.
    """
    stream = KeptStream(clients.kinesis, f"stream-{schedule.seed}", schedule.shards)
    function = CallLog(log)
    _deploy(clients, schedule, log)
    stream.put(schedule.earlier)
    mapping_id = _map(clients, schedule, stream.arn)
    if schedule.position == "LATEST":
        _probe(stream, function, schedule)
        stream.put(schedule.later)
    taken = list(stream.taken)
    ends = schedule.entry_for_each_shard(_ENDS_FROM)
    # Behind a last batch that has been read already, each is a batch of its own.
    if _await(lambda: function.reached(stream.last)):
        stream.put(ends)
        _await(lambda: function.reached(stream.last))
    clients.functions.delete_event_source_mapping(UUID=mapping_id)
    calls = function.calls()
    before, after = _split(taken, schedule.earlier, calls)
    return Ran(Course(calls, list(_documents(clients, mapping_id))), before, after, ends)


def _deploy(clients: Clients, schedule: Schedule, log: Path) -> None:
    name = _name(schedule)
    clients.functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=_ROLE,
        Handler="scripted.handler",
        Code={"ZipFile": _zipped()},
        Timeout=_SHORT_SECONDS if schedule.hangs else 60,
        Environment={"Variables": {"CALLS": str(log)}},
    )
    clients.functions.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 1}
    )


def _map(clients: Clients, schedule: Schedule, stream_arn: str) -> str:
    made = clients.functions.create_event_source_mapping(
        EventSourceArn=stream_arn,
        FunctionName=_name(schedule),
        StartingPosition=schedule.position,
        BatchSize=schedule.batch_size,
        MaximumRetryAttempts=schedule.retry_attempts,
        FunctionResponseTypes=["ReportBatchItemFailures"] if schedule.reports else [],
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{_BUCKET}"}},
    )
    return made["UUID"]


def _probe(stream: KeptStream, function: CallLog, schedule: Schedule) -> None:
    """Puts records until one of each shard is read: nothing else says that LATEST was looked up."""
    rounds = iter(range(_PROBES_FROM, _ENDS_FROM, schedule.shards))

    def read() -> bool:
        stream.put(schedule.entry_for_each_shard(next(rounds)))
        return len(function.shards()) == schedule.shards

    _await(read)


def _split(
    taken: Sequence[Taken], earlier: Sequence[Entry], calls: Sequence[Call]
) -> tuple[list[Entry], list[Entry]]:
    """What the stream held when it was begun to be read, and what it did not hold yet.

    What was put before there was a mapping was in the stream, whether it was read or not.
    """
    first: dict[str, int] = {}
    for call in calls:
        first.setdefault(call.shard_id, int(call.sequence_numbers[0]))
    before: list[Entry] = []
    after: list[Entry] = []
    for record in taken:
        held = record.entry in earlier or record.number < first.get(record.shard_id, 0)
        (before if held else after).append(record.entry)
    return before, after


def _documents(clients: Clients, mapping_id: str) -> Iterator[bytes]:
    pages = clients.s3.get_paginator("list_objects_v2").paginate(
        Bucket=_BUCKET, Prefix=f"{FAILURES_PREFIX}{mapping_id}/"
    )
    for page in pages:
        for listed in page.get("Contents", ()):
            yield clients.s3.get_object(Bucket=_BUCKET, Key=listed["Key"])["Body"].read()


def _await(reached: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (done := reached()) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return done


def _name(schedule: Schedule) -> str:
    return f"scripted-{schedule.seed}"


def _zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(str(scripted.__file__), "scripted.py")
    return file.getvalue()
