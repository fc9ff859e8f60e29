"""Scores a batch of records: writes predictions and rejects through ports, and reports the result.

Source of the answer's shape and of "the lowest sequence number reported is the checkpoint":
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
"""

import bisect
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

from ride_scoring import predictions
from ride_scoring.decode import decode
from ride_scoring.errors import CannotScore, ModelRefused, StoreUnavailable, TransientError
from ride_scoring.models.served import ScorableEvent, ServedModel
from ride_scoring.streams.records import KinesisRecord, OutputRecord, Put, Reject
from ride_scoring.streams.unpack import arrivals, reject, reject_whole

UNTRIED: Final = (
    "the model fails on this record, and time ran out before its events could be tried one by one"
)
"""Detail of events rejected without being scored one by one, as time had run out."""


class Models(Protocol):
    """Gives the model to score with; raises `ModelUnavailable` or `ModelRefused`."""

    def current(self) -> ServedModel: ...


class Predictions(Protocol):
    """Writes predictions; returns how many of them, counted from the first, were written."""

    def put(self, records: Sequence[OutputRecord], seconds_left: Callable[[], float]) -> Put: ...


class Rejects(Protocol):
    """Writes rejects. Raises `StoreUnavailable`."""

    def put(self, rejects: Sequence[Reject]) -> None: ...


class BatchResult(msgspec.Struct, frozen=True):
    """The result of a batch. `not_done_from` is the sequence number to retry from, if any.

    `scored` holds the events that were predicted, at `scored_at`; a shadow scores the same ones.
    """

    records: int
    rejects: Sequence[Reject]
    not_done_from: str | None
    scored_at: datetime
    scored: Sequence[ScorableEvent] = ()
    model_version: str | None = None
    put: Put = Put(0)
    failure: str | None = None


class Scorer:
    """Scores batches. `now` gives the time in UTC.

    If the model fails on a batch, the batch is bisected to find the events that it fails on;
    `writing_seconds` of the function's remaining time are kept for writing the results.
    """

    def __init__(
        self,
        models: Models,
        sink: Predictions,
        rejects: Rejects,
        *,
        writing_seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._models = models
        self._sink = sink
        self._rejects = rejects
        self._writing_seconds = writing_seconds
        self._now = now

    def score(
        self, records: Sequence[KinesisRecord], seconds_left: Callable[[], float]
    ) -> BatchResult:
        """Scores one batch. Permanent errors reject an event; transient ones leave it."""
        try:
            model = self._models.current()
        except (TransientError, ModelRefused) as error:
            return _nothing_done(records, self._now(), str(error))
        batch = Batch(records, model, self._now(), lambda: seconds_left() < self._writing_seconds)
        first_undone, failure = batch.undone_from, None
        if first_undone < len(records):
            failure = "the function ran out of time while it searched for what the model fails on"
        # Rejects go first: writing them again is idempotent, whereas predictions would repeat.
        unread = [item for item in batch.unread if item[0] < first_undone]
        first_undone, failure = self._set_aside(unread, first_undone, failure)
        outputs = batch.outputs_before(first_undone)
        put = self._sink.put(outputs, seconds_left)
        if put.done < len(outputs):
            first_undone, failure = batch.scored[put.done].arrival.position, put.failure
        # Rejects caused by the model go last: on a retry, another model may score the event.
        unscored = [item for item in batch.unscored if item[0] < first_undone]
        first_undone, failure = self._set_aside(unscored, first_undone, failure)
        return BatchResult(
            records=len(records),
            rejects=[reject for at, reject in (*unread, *unscored) if at < first_undone],
            not_done_from=_sequence_number(records, first_undone),
            scored_at=batch.scored_at,
            scored=batch.scored[: put.done],
            model_version=model.version,
            put=put,
            failure=failure,
        )

    def _set_aside(
        self, rejects: Sequence[tuple[int, Reject]], first_undone: int, failure: str | None
    ) -> tuple[int, str | None]:
        """Writes the rejects. Returns the first position not done, and why."""
        try:
            if rejects:
                self._rejects.put([reject for _, reject in rejects])
        except StoreUnavailable as error:
            return rejects[0][0], str(error)
        return first_undone, failure


class Batch:
    """A batch, scored: `outputs[i]` is the prediction of the event `scored[i]`. Rejects, each with
    the position of its record, are `unread`, whatever the model, or `unscored` by this model.

    Records from `undone_from` on were not scored, as `out_of_time` said so.
    """

    def __init__(
        self,
        records: Sequence[KinesisRecord],
        model: ServedModel,
        scored_at: datetime,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> None:
        self.outputs: list[OutputRecord] = []
        self.scored: list[ScorableEvent] = []
        self.unread: list[tuple[int, Reject]] = []
        self.unscored: list[tuple[int, Reject]] = []
        self.undone_from = len(records)
        self.scored_at = scored_at
        self._predict(model, self._decode(records), out_of_time)

    def outputs_before(self, position: int) -> Sequence[OutputRecord]:
        """The predictions of the records before a position."""
        end = bisect.bisect_left(self.scored, position, key=lambda item: item.arrival.position)
        return self.outputs[:end]

    def _decode(self, records: Sequence[KinesisRecord]) -> list[ScorableEvent]:
        scorable = []
        for position, record in enumerate(records):
            try:
                arrived = arrivals(position, record)
            except CannotScore as cause:
                self.unread.append((position, reject_whole(record, cause, self.scored_at)))
                continue
            for arrival in arrived:
                try:
                    scorable.append(ScorableEvent(arrival, decode(arrival.data)))
                except CannotScore as cause:
                    self.unread.append((position, reject(arrival, cause, self.scored_at)))
        return scorable

    def _predict(
        self,
        model: ServedModel,
        scorable: Sequence[ScorableEvent],
        out_of_time: Callable[[], bool],
    ) -> None:
        numbers = predictions.predicted(model, scorable, out_of_time)
        if len(numbers) < len(scorable):
            self.undone_from = scorable[len(numbers)].arrival.position
        if self.undone_from == 0 and scorable:
            # A retry would get no further with this record: reject the rest of it.
            untried = sum(1 for item in scorable[len(numbers) :] if item.arrival.position == 0)
            numbers += [CannotScore("model_output", UNTRIED)] * untried
            self.undone_from = 1
        for item, number in zip(scorable, numbers, strict=False):
            try:
                self.outputs.append(predictions.prediction(model, item, number, self.scored_at))
            except CannotScore as cause:
                rejected = reject(item.arrival, cause, self.scored_at)
                self.unscored.append((item.arrival.position, rejected))
            else:
                self.scored.append(item)


def _nothing_done(records: Sequence[KinesisRecord], at: datetime, failure: str) -> BatchResult:
    return BatchResult(
        records=len(records),
        rejects=[],
        not_done_from=_sequence_number(records, 0),
        scored_at=at,
        failure=failure,
    )


def _sequence_number(records: Sequence[KinesisRecord], position: int) -> str | None:
    return records[position].sequence_number if position < len(records) else None
