"""A batch of records in, predictions and rejects out through two ports, and Lambda's answer.

Source of the answer's shape and of "the lowest sequence number reported is the checkpoint":
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypedDict

import msgspec

from ride_scoring import predictions
from ride_scoring.decode import CannotScore, decode, reject
from ride_scoring.errors import ModelRefused, StoreUnavailable, TransientError
from ride_scoring.events import KinesisRecord, Reject, RideEvent
from ride_scoring.predictions import OutputRecord, ScorableRecord, ServedModel


class Models(Protocol):
    """Gives the model to score with; raises `ModelUnavailable` or `ModelRefused`."""

    def current(self) -> ServedModel: ...


class Predictions(Protocol):
    """Takes predictions; answers how many of them, from the first on, are in for sure."""

    def put(self, records: Sequence[OutputRecord], seconds_left: Callable[[], float]) -> int: ...


class Rejects(Protocol):
    """Takes what can never be scored; raises `StoreUnavailable`."""

    def put(self, rejects: Sequence[Reject]) -> None: ...


class BatchItemFailure(TypedDict):
    itemIdentifier: str


class Answer(TypedDict):
    batchItemFailures: list[BatchItemFailure]


class BatchResult(msgspec.Struct, frozen=True):
    """What became of a batch. `not_done_from` is the sequence number to try again from, if any."""

    model_version: str | None
    records: int
    predicted: int
    rejects: Sequence[Reject]
    not_done_from: str | None
    failure: str | None = None

    def answer(self) -> Answer:
        if self.not_done_from is None:
            return {"batchItemFailures": []}
        return {"batchItemFailures": [{"itemIdentifier": self.not_done_from}]}


class Scorer:
    """Scores batches. `now` gives the time in UTC."""

    def __init__(
        self,
        models: Models,
        sink: Predictions,
        rejects: Rejects,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._models = models
        self._sink = sink
        self._rejects = rejects
        self._now = now

    def score(
        self, records: Sequence[KinesisRecord], seconds_left: Callable[[], float]
    ) -> BatchResult:
        """Scores one batch. A permanent error rejects a record, a transient one leaves it."""
        try:
            model = self._models.current()
        except (TransientError, ModelRefused) as error:
            return _nothing_done(records, str(error))
        batch = _Batch(records, model, self._now())
        first_undone, failure = len(records), None
        # Rejects first: written again, they overwrite their object, where predictions would repeat.
        try:
            if batch.rejects:
                self._rejects.put([reject for _, reject in batch.rejects])
        except StoreUnavailable as error:
            first_undone, failure = batch.rejects[0][0], str(error)
        outputs = [(at, output) for at, output in batch.outputs if at < first_undone]
        done = self._sink.put([output for _, output in outputs], seconds_left)
        if done < len(outputs):
            first_undone, failure = outputs[done][0], "the predictions stream refused records"
        return BatchResult(
            model_version=model.version,
            records=len(records),
            predicted=done,
            rejects=[reject for at, reject in batch.rejects if at < first_undone],
            not_done_from=_sequence_number(records, first_undone),
            failure=failure,
        )


class _Batch:
    """A batch, scored: each record's position with its output or its reject."""

    def __init__(
        self, records: Sequence[KinesisRecord], model: ServedModel, scored_at: datetime
    ) -> None:
        self.outputs: list[tuple[int, OutputRecord]] = []
        self.rejects: list[tuple[int, Reject]] = []
        self._records = records
        self._scored_at = scored_at
        self._predict(model, self._decode())
        self.rejects.sort(key=lambda item: item[0])

    def _decode(self) -> list[tuple[int, RideEvent]]:
        events = []
        for position, record in enumerate(self._records):
            try:
                events.append((position, decode(record.data_base64)))
            except CannotScore as cause:
                self._reject(position, cause)
        return events

    def _predict(self, model: ServedModel, events: Sequence[tuple[int, RideEvent]]) -> None:
        scorable = [ScorableRecord(self._records[position], event) for position, event in events]
        minutes = predictions.minutes(model, scorable)
        for (position, _), item, ride_minutes in zip(events, scorable, minutes, strict=True):
            try:
                scored = predictions.prediction(model, item, ride_minutes, self._scored_at)
            except CannotScore as cause:
                self._reject(position, cause)
            else:
                self.outputs.append((position, predictions.encode(scored)))

    def _reject(self, position: int, cause: CannotScore) -> None:
        self.rejects.append((position, reject(self._records[position], cause, self._scored_at)))


def _nothing_done(records: Sequence[KinesisRecord], failure: str) -> BatchResult:
    return BatchResult(
        model_version=None,
        records=len(records),
        predicted=0,
        rejects=[],
        not_done_from=_sequence_number(records, 0),
        failure=failure,
    )


def _sequence_number(records: Sequence[KinesisRecord], position: int) -> str | None:
    return records[position].sequence_number if position < len(records) else None
