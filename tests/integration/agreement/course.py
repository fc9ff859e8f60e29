"""Calls and on-failure documents in, what happened in each shard out, as lines to compare."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

import msgspec

from stream_sim.kinesis import dead_letters
from tests.integration.agreement.scripted import Call

_WIDTH: Final = 76


class _Context(msgspec.Struct, frozen=True, rename="camel"):
    condition: str
    approximate_invoke_count: int


class _Batch(msgspec.Struct, frozen=True, rename="camel"):
    shard_id: str
    start_sequence_number: str
    end_sequence_number: str
    batch_size: int


class _Document(msgspec.Struct, frozen=True):
    context: _Context = msgspec.field(name="requestContext")
    batch: _Batch = msgspec.field(name="KinesisBatchInfo")


class Course(msgspec.Struct, frozen=True):
    """All calls in their order, and all documents in any."""

    calls: Sequence[Call]
    documents: Sequence[bytes]

    def by_shard(self) -> Mapping[str, Sequence[str]]:
        """Lines with all that is compared: first the calls, then the documents by their records."""
        decoded = [(msgspec.json.decode(body, type=_Document), body) for body in self.documents]
        decoded.sort(key=lambda pair: int(pair[0].batch.start_sequence_number))
        lines: dict[str, list[str]] = {}
        for call in self.calls:
            lines.setdefault(call.shard_id, []).append(_call(call))
        for document, body in decoded:
            lines.setdefault(document.batch.shard_id, []).extend(_set_aside(document, body))
        return lines

    def fields(self) -> set[str]:
        """The names in the documents, from the outermost in."""
        return {name for body in self.documents for name in _names(msgspec.json.decode(body))}


def differences(localstack: Course, simulation: Course) -> Iterator[str]:
    """For each shard that is not the same in both, the lines of both beside each other."""
    left, right = localstack.by_shard(), simulation.by_shard()
    for shard_id in sorted({*left, *right}):
        of_left, of_right = left.get(shard_id, ()), right.get(shard_id, ())
        if of_left != of_right:
            yield "\n".join([f"{shard_id}, LocalStack | simulation", *_beside(of_left, of_right)])


def _beside(left: Iterable[str], right: Iterable[str]) -> Iterator[str]:
    for one, other in zip_longest(left, right, fillvalue=""):
        yield f"{' ' if one == other else '≠'} {one:{_WIDTH}} | {other}"


def _call(call: Call) -> str:
    answer = msgspec.json.encode(call.answer).decode()
    numbers, ids = " ".join(call.sequence_numbers), " ".join(map(str, call.ids))
    return f"{numbers} ({ids}): {call.does} {answer}"


def _set_aside(document: _Document, body: bytes) -> Iterator[str]:
    batch, context = document.batch, document.context
    yield (
        f"{context.condition} after {context.approximate_invoke_count}: {batch.batch_size} records "
        f"from {batch.start_sequence_number} to {batch.end_sequence_number}"
    )
    for record in dead_letters.failed_records(body):
        yield f"  {record.event_id} {record.partition_key} {record.data!r}"


def _names(value: object) -> Iterator[str]:
    match value:
        case dict():
            for name, held in value.items():
                yield name
                yield from (f"{name}.{inner}" for inner in _names(held))
        case [first, *_]:
            yield from _names(first)
        case str() if value.startswith("{"):  # as AWS writes the event
            yield from _names(msgspec.json.decode(value))
