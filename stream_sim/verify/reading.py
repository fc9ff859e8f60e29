"""Reads outcomes from the predictions stream and the rejects bucket into a reconciliation, until
every ride has one or no more arrive."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import boto3
from botocore.config import Config

from infra.common import console
from infra.common.console import UserError
from stream_sim.kinesis.dead_letters import DeadLetters, rejects_bucket
from stream_sim.kinesis.predictions import predictions
from stream_sim.kinesis.reader import Checkpoints, ShardPage, StreamReader
from stream_sim.verify import journal
from stream_sim.verify.journal import Journal
from stream_sim.verify.reconciliation import Reconciliation, seen
from stream_sim.verify.redriven import Redriven

_SETTLE_SECONDS: Final = 1.0
"""How long to keep reading after the last ride is accounted for: repeats come late."""
_UNSURE_SECONDS: Final = 15.0
"""How long to wait for outcomes of rides the stream may not have accepted at all."""
_BUCKET_SECONDS: Final = 2.0
_SILENT_SECONDS: Final = 5.0
"""Beyond this, a silent source says nothing about missing outcomes, and the deadline is paused."""
_PATIENCE: Final = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
_BEHIND_MS: Final = 1_000
"""A reader further behind is still catching up with the latest predictions."""
_CLOCKS_APART: Final = timedelta(minutes=15)
"""The most the simulator's clock may differ from AWS's, which rejects requests that are further
off: stream and bucket are read from that long before the run began."""


class Outcomes:
    """Where one run's outcomes are: a predictions stream and a rejects bucket."""

    def __init__(
        self, run: str, began_at: float, stream: str, bucket: str, session: boto3.Session
    ) -> None:
        self._run = run
        self._since = datetime.fromtimestamp(began_at, UTC) - _CLOCKS_APART
        self._stream = stream
        self._session = session
        rejects = rejects_bucket(session.client("s3", config=_PATIENCE), bucket)
        self._set_aside = DeadLetters(rejects, self._since, passed_over=self._pass_over)
        self._redriven = Redriven(rejects, self._since)
        self._set_aside_at = float("-inf")
        self._passed_over: set[str] = set()

    def read_into(
        self,
        reconciliation: Reconciliation,
        book: Journal,
        deadline: float,
        each: Callable[[], None],
    ) -> None:
        """Resume from the journal and read until `deadline` seconds pass without an outcome,
        calling `each` now and then. Raises `UserError` and boto3's errors."""
        # First of all: predictions of redriven rides name other events than the ledger does.
        self._read_set_aside(reconciliation)
        known: dict[str, str] = {}
        for line in book.pages():
            known[line.shard_id] = line.last_sequence_number
            reconciliation.predicted(line.predictions)
        with StreamReader(self._stream, self._session, Checkpoints(self._since, known)) as reader:
            missing, changed_at = -1, time.monotonic()
            while time.monotonic() - changed_at < _patience(reconciliation, deadline):
                self._read_predictions(reader, reconciliation, book)
                self._read_set_aside_patiently(reconciliation)
                silent = max(reader.silent_seconds, self._set_aside.silent_seconds)
                if silent > deadline:
                    raise UserError(_no_answer(silent, reader.trouble or self._set_aside.trouble))
                behind = reader.millis_behind > _BEHIND_MS
                still_missing = reconciliation.open + reconciliation.unsure
                if behind or silent > _SILENT_SECONDS or still_missing != missing:
                    missing, changed_at = still_missing, time.monotonic()
                each()
        self._read_set_aside(reconciliation)

    def _read_predictions(
        self, reader: StreamReader, reconciliation: Reconciliation, book: Journal
    ) -> None:
        for page in reader.pages():
            line = self._line(page)
            book.write(line)
            reconciliation.predicted(line.predictions)

    def _line(self, page: ShardPage) -> journal.JournalPage:
        outcomes = (seen(found, at, self._run) for at, found in predictions(page))
        return journal.JournalPage(
            page.shard_id, page.last_sequence_number, [outcome for outcome in outcomes if outcome]
        )

    def _read_set_aside_patiently(self, reconciliation: Reconciliation) -> None:
        """At intervals; an unreachable bucket is retried."""
        if time.monotonic() - self._set_aside_at < _BUCKET_SECONDS:
            return
        with self._set_aside.patiently():
            self._read_set_aside(reconciliation)
        self._set_aside_at = time.monotonic()

    def _read_set_aside(self, reconciliation: Reconciliation) -> None:
        if (event_ids := self._redriven.new_event_ids()) is not None:
            reconciliation.redriven(event_ids)
            self._set_aside.tell_again()
        # What was given up on and redriven may be a reject now, of an unknown event.
        for record in self._set_aside.new_failures():
            reconciliation.failed(record)
        for reject in self._set_aside.new_rejects():
            reconciliation.rejected(reject)

    def _pass_over(self, key: str) -> None:
        if key not in self._passed_over:
            self._passed_over.add(key)
            console.err.print(f"skipped, as it cannot be read: {key}", markup=False)


def _patience(reconciliation: Reconciliation, deadline: float) -> float:
    """Seconds to wait without an outcome before giving up."""
    if reconciliation.open:
        return deadline
    return min(deadline, _UNSURE_SECONDS) if reconciliation.unsure else _SETTLE_SECONDS


def _no_answer(seconds: float, why: str | None) -> str:
    return (
        f"no response for {seconds:.0f} s ({why or 'the first call is still pending'}), so "
        "the missing rides cannot be judged: run verify again once the endpoint responds, and it "
        "resumes from here"
    )
