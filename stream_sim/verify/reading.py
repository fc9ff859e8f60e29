"""The predictions stream and the rejects bucket in, outcomes handed to a reconciliation until every
ride has come to something, or nothing comes any more."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.console import UserError
from ride_scoring import kpl
from ride_scoring.events import Prediction
from stream_sim.reader import Page, Place, StreamReader
from stream_sim.set_aside import SetAside, rejects_bucket
from stream_sim.verify import journal
from stream_sim.verify.journal import Journal
from stream_sim.verify.reconciliation import Reconciliation, Seen, seen
from stream_sim.verify.redriven import Redriven

_SETTLE_SECONDS: Final = 1.0
"""How long predictions are read on after the last ride is accounted for: repeats come late."""
_BUCKET_SECONDS: Final = 2.0
_SILENT_SECONDS: Final = 5.0
"""What does not answer for longer says nothing of what is missing, and no deadline runs."""
_PATIENCE: Final = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
_LEAST_SERVER_ERROR: Final = 500
_BEHIND_MS: Final = 1_000
"""A reader that is further behind is still on its way to what was predicted last."""
_CLOCKS_APART: Final = timedelta(minutes=15)
"""What the simulator's clock may differ by from AWS's, which takes no request that is further off:
stream and bucket are read from so long before the run's beginning."""

_decoder = msgspec.json.Decoder(Prediction)


class Outcomes:
    """Where the outcomes of one run are: a predictions stream, and a rejects bucket."""

    def __init__(
        self, run: str, began_at: float, stream: str, bucket: str, session: boto3.Session
    ) -> None:
        self._run = run
        self._since = datetime.fromtimestamp(began_at, UTC) - _CLOCKS_APART
        self._stream = stream
        self._session = session
        self._aside = _Aside(self._since, bucket, session)

    def read_into(
        self,
        reconciliation: Reconciliation,
        book: Journal,
        deadline: float,
        each: Callable[[], None],
    ) -> None:
        """Reads on from where the journal stands, until `deadline` seconds without an outcome, and
        calls `each` now and then. Raises `UserError` and boto3's errors."""
        known: dict[str, str] = {}
        for line in book.pages():
            known[line.shard_id] = line.last_sequence_number
            reconciliation.predicted(line.predictions)
        with StreamReader(self._stream, self._session, Place(self._since, known)) as reader:
            still_open, changed_at = -1, time.monotonic()
            while time.monotonic() - changed_at < (deadline if still_open else _SETTLE_SECONDS):
                behind = self._read(reader, reconciliation, book)
                self._aside.read_patiently_into(reconciliation)
                silent = self._silent_seconds(reader)
                if silent > deadline:
                    raise UserError(_no_answer(silent, reader.trouble or self._aside.trouble))
                if behind or silent > _SILENT_SECONDS or still_open != reconciliation.open:
                    still_open, changed_at = reconciliation.open, time.monotonic()
                each()
        self._aside.read_into(reconciliation)

    def _silent_seconds(self, reader: StreamReader) -> float:
        return max(reader.silent_seconds, self._aside.silent_seconds)

    def _read(self, reader: StreamReader, reconciliation: Reconciliation, book: Journal) -> bool:
        """Whether there is more to be read behind what was."""
        behind = False
        for page in reader.pages():
            line = self._line(page)
            book.write(line)
            reconciliation.predicted(line.predictions)
            behind = behind or page.millis_behind > _BEHIND_MS
        return behind

    def _line(self, page: Page) -> journal.Page:
        return journal.Page(
            page.shard_id, page.last_sequence_number, list(_predictions(page, self._run))
        )


class _Aside:
    """What is set aside of a run, and what of it was sent again."""

    def __init__(self, since: datetime, name: str, session: boto3.Session) -> None:
        self._bucket = rejects_bucket(session.client("s3", config=_PATIENCE), name)
        self._since = since
        self._set_aside = SetAside(self._bucket, since)
        self._redriven = Redriven(self._bucket)
        self._read_at = float("-inf")
        self._answered_at = time.monotonic()
        self.trouble: str | None = None

    @property
    def silent_seconds(self) -> float:
        """How long the bucket has given no answer to what it was asked."""
        return self._read_at - self._answered_at if self.trouble else 0.0

    def read_patiently_into(self, reconciliation: Reconciliation) -> None:
        """Reads what is new, now and then; a bucket that is away is asked again."""
        if time.monotonic() - self._read_at < _BUCKET_SECONDS:
            return
        try:
            self.read_into(reconciliation)
            self._answered_at, self.trouble = time.monotonic(), None
        except BotoCoreError as error:
            self.trouble = str(error)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < _LEAST_SERVER_ERROR:
                raise
            self.trouble = str(error)
        self._read_at = time.monotonic()

    def read_into(self, reconciliation: Reconciliation) -> None:
        """Reads what is new. Raises `UserError` and boto3's errors."""
        if (event_ids := self._redriven.new_event_ids()) is not None:
            reconciliation.redriven(event_ids)
            self._set_aside = SetAside(self._bucket, self._since)  # told again, from its beginning
        for reject in self._set_aside.new_rejects():
            reconciliation.rejected(reject)
        for record in self._set_aside.new_failures():
            reconciliation.failed(record)


def _no_answer(seconds: float, why: str | None) -> str:
    return (
        f"no answer for {seconds:.0f} s ({why}), so nothing can be said of the rides that are "
        "missing: run verify again once the endpoint answers, and it goes on from here"
    )


def _predictions(page: Page, run: str) -> Iterator[Seen]:
    for record in page.records:
        # What is no prediction, or damaged, is none of ours.
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, kpl.DamagedAggregate):
            for content in record.contents():
                if outcome := seen(_decoder.decode(content), record.arrived_at, run):
                    yield outcome
