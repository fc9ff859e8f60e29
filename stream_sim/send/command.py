"""`python -m stream_sim send`: sends the requested rides, with messages and exit codes."""

import importlib.metadata
import platform
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import Progress

from infra.common import console
from infra.common.console import UserError
from infra.common.paths import OUT
from stream_sim import ledger
from stream_sim.kinesis import streams
from stream_sim.ledger import Run
from stream_sim.send import part, parts, plan
from stream_sim.send.options import Job, Request, encoded
from stream_sim.send.part import Said
from stream_sim.send.plan import SendPlan

__all__ = ["Request", "Summary", "run"]

_PATIENCE: Final = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3})
_PACKAGES: Final = ("ride-scoring", "boto3", "kinesis-python", "numpy")
_INTERRUPTED: Final = 130


class Summary(msgspec.Struct, frozen=True):
    """What was sent: rides the stream accepted, in how many seconds, and the resulting rate; `rate`
    is the requested one, None if rides arrived by event time."""

    run: str
    folder: str
    stream: str
    sent: int
    seconds: float
    rides_per_second: float
    rate: float | None


class _Sent:
    """Totals over all parts; updated from the parts' threads."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self.rides = 0
        self.seconds = 0.0
        self._lock = threading.Lock()
        self._progress = progress
        self._task = progress.add_task("sending", total=total)

    def add(self, said: Said) -> None:
        with self._lock:
            self.rides += said.rides
            self.seconds = max(self.seconds, said.seconds)
        self._progress.advance(self._task, said.rides)


def run(request: Request, progress: Progress) -> None:
    """Send, and print what was sent. Raises `UserError` and boto3's errors."""
    planned = plan.made(request)
    _say_if_short(request, planned)
    kinesis = boto3.client("kinesis", config=_PATIENCE)
    streams.require(kinesis, request.stream, "EVENTS_STREAM_NAME")
    jobs = _jobs(request, plan.processes(planned, request))
    _require_unused(jobs[0].folder)
    folder, sent = jobs[0].folder, _Sent(progress, planned.count)
    try:
        with progress:
            if len(jobs) == 1:
                part.send(jobs[0], planned, sent.add)
            else:
                parts.send(jobs, sent.add)
    except KeyboardInterrupt:
        console.fail(f"stopped after {sent.rides:,} rides, which are in {folder}", _INTERRUPTED)
    except (ClientError, BotoCoreError, UserError):
        if sent.rides:
            console.err.print(
                f"{sent.rides:,} rides were sent to {request.stream} before this; the ledger is in "
                f"{folder}:"
            )
        raise
    _report(request, planned, jobs[0], sent)


def _jobs(request: Request, number: int) -> list[Job]:
    run_id, now = uuid4().hex[:8], time.time()
    started = datetime.fromtimestamp(now, UTC)
    folder = request.out or OUT / "runs" / f"{started:%Y%m%dT%H%M%S}-{run_id}"
    options = msgspec.json.decode(encoded(request))
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    versions["Python"] = platform.python_version()
    return [
        Job(request, Run(run_id, part, number, now, request.stream, options, versions), folder)
        for part in range(number)
    ]


def _require_unused(folder: Path) -> None:
    """A part rejects only its own existing ledger, while the others would start theirs beside
    another run's."""
    if found := sorted(folder.glob(ledger.FILES)):
        raise UserError(f"{found[0]} belongs to another run: name another folder with --out")


def _say_if_short(request: Request, planned: SendPlan) -> None:
    asked = plan.asked(request)
    if asked is not None and planned.count is not None and planned.count < asked:
        console.err.print(
            f"{request.trips} holds {planned.count} rides: all of them are sent", markup=False
        )


def _report(request: Request, planned: SendPlan, job: Job, sent: _Sent) -> None:
    if not request.as_json:
        console.out.print(
            f"{sent.rides:,} rides sent to {request.stream}; the ledger is in {job.folder}",
            markup=False,
        )
        return
    summary = Summary(
        run=job.run.run,
        folder=str(job.folder),
        stream=request.stream,
        sent=sent.rides,
        seconds=round(sent.seconds, 3),
        rides_per_second=round(sent.rides / sent.seconds, 1) if sent.seconds else 0.0,
        rate=planned.rate if planned.times is None else None,
    )
    console.print_json(summary)
