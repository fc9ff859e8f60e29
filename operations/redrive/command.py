"""Implements `python -m operations redrive`: messages and exit codes included."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import Progress

from infra.common import console
from infra.common.bucket import Bucket
from infra.common.console import UserError
from operations.redrive import documents, places
from operations.redrive.claim import Claim
from operations.redrive.documents import Document
from operations.redrive.marks import Marks
from operations.redrive.options import Selection, Source, selection
from operations.redrive.run import Counts, redrive
from operations.redrive.sender import Sender
from stream_sim.kinesis import streams
from stream_sim.kinesis.dead_letters import rejects_bucket
from stream_sim.kinesis.puts import Puts

_PATIENCE: Final = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3})
_ONE_TRY: Final = _PATIENCE.merge(Config(retries={"total_max_attempts": 1}))
"""`Puts` retries by itself; boto3's retries on top could outlast the claim."""
_NEEDS: Final = (
    "a redrive lists it, reads rejects/, aws/lambda/ and redriven/, and writes redriven/"
)
_MOST_DAMAGED_SHOWN: Final = 20
_INTERRUPTED: Final = 130


class Request(msgspec.Struct, frozen=True):
    """The command's options, as given.

    `record_age` is the deployment's maximum, in seconds; `rate` is records of up to 1 KiB a second.
    """

    source: Source
    stream: str
    rejects_bucket: str
    reasons: Sequence[str]
    since: str | None
    record_age: int
    rate: float
    dry_run: bool
    as_json: bool


def run(request: Request, progress: Progress) -> None:
    """Redrives and prints the outcome. Raises `UserError` and boto3's errors."""
    asked = selection(
        request.source, request.reasons, request.since, datetime.now(UTC), request.record_age
    )
    kinesis = boto3.client("kinesis", config=_ONE_TRY)
    record_bytes = streams.require(kinesis, request.stream, "EVENTS_STREAM_NAME")
    bucket = rejects_bucket(boto3.client("s3", config=_PATIENCE), request.rejects_bucket, _NEEDS)
    # Listed before anything is sent, so that events rejected again are not resent again.
    objects = documents.listed(bucket, asked)
    found = documents.read(bucket, objects, asked, record_bytes)
    counts = Counts()
    try:
        with progress:
            task = progress.add_task("reading", total=len(objects))

            def advance() -> None:
                said = f"{counts.sent:,} records sent; objects"
                progress.update(task, advance=1, description=said)

            if request.dry_run:
                marks = Marks(bucket, places.of_marks(bucket, asked))
                redrive(found, marks.event_ids, None, counts, advance)
            else:
                puts = Puts(kinesis, request.stream)
                _redrive(found, bucket, asked, puts, request.rate, counts, advance)
    except KeyboardInterrupt:
        console.fail(
            f"stopped after {counts.sent:,} records were sent: run it again for the rest",
            _INTERRUPTED,
        )
    except (ClientError, BotoCoreError, UserError):
        if counts.sent:
            console.err.print(f"{counts.sent:,} records were sent to {request.stream} before this:")
        raise
    _report(request, counts)


def _redrive(
    found: Iterable[Document],
    bucket: Bucket,
    asked: Selection,
    puts: Puts,
    rate: float,
    counts: Counts,
    advance: Callable[[], None],
) -> None:
    claim = Claim(bucket)

    def each() -> None:
        claim.renew()
        advance()

    with _held(claim):
        marks = Marks(bucket, places.of_marks(bucket, asked), each=claim.renew)
        sender = Sender(puts, marks, claim, rate)
        redrive(found, marks.event_ids, sender, counts, each)


@contextlib.contextmanager
def _held(claim: Claim) -> Iterator[None]:
    claim.take()
    try:
        yield
    finally:
        # The claim expires soon anyway, and the original error is the one to report.
        with contextlib.suppress(ClientError, BotoCoreError, UserError):
            claim.release()


def _report(request: Request, counts: Counts) -> None:
    if request.as_json:
        console.print_json(counts)
    else:
        console.out.print(_sentence(request, counts), markup=False)
    for damaged in counts.damaged[:_MOST_DAMAGED_SHOWN]:
        console.err.print(damaged, markup=False)
    if counts.damaged:
        console.fail(
            f"{len(counts.damaged)} objects in {request.rejects_bucket} are damaged, and "
            "their unreadable records were not sent",
            1,
        )


def _sentence(request: Request, counts: Counts) -> str:
    before = f"; {counts.sent_before:,} had been sent before" if counts.sent_before else ""
    if counts.from_no_stream:
        before += f"; {counts.from_no_stream:,} were never in a stream (not_base64), and stay"
    if not counts.to_send:
        return f"nothing to send: no other {request.source} match{before}"
    number, verb = (counts.to_send, "would be sent") if request.dry_run else (counts.sent, "sent")
    by_reason = ", ".join(f"{reason} {n:,}" for reason, n in sorted(counts.reasons.items()))
    reasons = f" ({by_reason})" if by_reason else ""
    return f"{number:,} records {verb} to {request.stream}{reasons}{before}"
