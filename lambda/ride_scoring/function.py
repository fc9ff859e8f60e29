"""The function of one execution environment: an event in, its answer out."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ride_scoring import direct
from ride_scoring.models.served import ScorableEvent
from ride_scoring.scoring import Models, Scorer
from ride_scoring.shadow.scorer import ShadowResult
from ride_scoring.streams.records import KinesisRecord
from ride_scoring.telemetry import Telemetry

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


class Source(Protocol):
    """What invokes the function: its event in as typed records, and its own kind of answer out."""

    def records(self, event: Mapping[str, Any], /) -> list[KinesisRecord]:
        """Raises `PermanentError` for an event that comes from somewhere else."""
        ...

    def answer(self, event: Mapping[str, Any], not_done_from: str | None, /) -> Mapping[str, Any]:
        """`not_done_from` is the `sequence_number` of the record to retry from, if any."""
        ...


class FollowedModels(Models, Protocol):
    """Provides the current model; can be told that an unknown time has passed."""

    def look_anew(self) -> None: ...


class ShadowScorer(Protocol):
    """Scores a batch with a second model. Never raises."""

    def score(
        self,
        scored: Sequence[ScorableEvent],
        scored_at: datetime,
        seconds_left: Callable[[], float],
    ) -> ShadowResult: ...


class Function(NamedTuple):
    """Built once by `wiring`, and shared by all invocations. `now` returns the time in UTC.

    A `test_run` writes nothing and returns its predictions.
    """

    source: Source
    models: FollowedModels
    scorer: Scorer
    shadow: ShadowScorer | None
    telemetry: Telemetry
    now: Callable[[], datetime]
    test_run: bool = False

    def prepare(self) -> None:
        """Loads the model before the first batch comes. Raises `ModelUnavailable` or
        `ModelRefused`, as the first batch would."""
        self.models.current()

    def restored(self) -> None:
        """Call after a restore from a snapshot, which may be days old: refreshes the model."""
        self.models.look_anew()

    def __call__(self, event: Mapping[str, Any], context: "LambdaContext") -> Mapping[str, Any]:
        """Scores one batch. Raises what the source raises for an event that is not its own."""
        records = self.source.records(event)
        if self.test_run:
            return direct.answer(records, self.models.current(), self.now())
        started = time.perf_counter()

        def seconds_left() -> float:
            return context.get_remaining_time_in_millis() / 1000

        with self.telemetry.segment():
            result = self.scorer.score(records, seconds_left)
            milliseconds = (time.perf_counter() - started) * 1000
            shadow = None
            if self.shadow is not None:
                shadow = self.shadow.score(result.scored, result.scored_at, seconds_left)
        self.telemetry.batch(records, result, shadow, milliseconds, context)
        return self.source.answer(event, result.not_done_from)
