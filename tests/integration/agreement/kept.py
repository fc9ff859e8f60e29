"""What is kept of a run on LocalStack: where each record came to lie, and the calls there were."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stream_sim.simulation.world.stream import Entry
from tests.integration.agreement.scripted import Call

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef


class Taken(msgspec.Struct, frozen=True):
    """An entry, and where in the stream it lies."""

    shard_id: str
    number: int
    entry: Entry


class KeptStream:
    """A new stream; `taken` is all that was put into it, `arn` its name."""

    def __init__(self, kinesis: "KinesisClient", name: str, shards: int) -> None:
        self.taken: list[Taken] = []
        self._kinesis = kinesis
        self._name = name
        kinesis.create_stream(StreamName=name, ShardCount=shards)
        kinesis.get_waiter("stream_exists").wait(StreamName=name)
        described = kinesis.describe_stream_summary(StreamName=name)
        self.arn = described["StreamDescriptionSummary"]["StreamARN"]

    @property
    def last(self) -> Mapping[str, int]:
        """The last sequence number of each shard that has any."""
        return {taken.shard_id: taken.number for taken in self.taken}

    def put(self, entries: Sequence[Entry]) -> None:
        """At most 500."""
        answer = self._kinesis.put_records(
            StreamName=self._name, Records=[_record(entry) for entry in entries]
        )
        for entry, record in zip(entries, answer["Records"], strict=True):
            number = int(record["SequenceNumber"])
            self.taken.append(Taken(record["ShardId"], number, entry))


class CallLog:
    """The file that the function writes its calls to."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.touch()

    def calls(self) -> list[Call]:
        """Those that are written down whole."""
        lines = self._file.read_bytes().splitlines(keepends=True)
        return [msgspec.json.decode(line, type=Call) for line in lines if line.endswith(b"\n")]

    def shards(self) -> set[str]:
        return {call.shard_id for call in self.calls()}

    def reached(self, last: Mapping[str, int]) -> bool:
        """Whether there were calls with these records."""
        called = {
            (call.shard_id, int(number))
            for call in self.calls()
            for number in call.sequence_numbers
        }
        return called.issuperset(last.items())


def _record(entry: Entry) -> "PutRecordsRequestEntryTypeDef":
    record: PutRecordsRequestEntryTypeDef = {
        "Data": entry.data,
        "PartitionKey": entry.partition_key,
    }
    if entry.explicit_hash_key is not None:
        record["ExplicitHashKey"] = str(entry.explicit_hash_key)
    return record
