"""What a second model would have said, written beside the champion's answer, never in its way."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from ride_scoring import predictions
from ride_scoring.decode import CannotScore
from ride_scoring.errors import RideScoringError
from ride_scoring.predictions import OutputRecord, ScorableEvent, ServedModel
from ride_scoring.scoring import Models, Predictions

SHADOW_SECONDS: Final = 2.0
"""How long a batch waits for its shadow at most."""


class ShadowResult(msgspec.Struct, frozen=True):
    """How many of a batch's rides the shadow predicted, and why not all of them."""

    predicted: int
    failure: str | None = None


class Shadow:
    """Scores what the champion scored, once the champion's predictions are in.

    It runs in a thread of its own: a shadow that hangs is left behind, and the next batches go
    without one until it has ended. `wait_seconds` is how long a batch waits for it.
    """

    def __init__(
        self,
        models: Models,
        sink: Predictions,
        *,
        reserved_seconds: float = 2.0,
        wait_seconds: float = SHADOW_SECONDS,
    ) -> None:
        self._models = models
        self._sink = sink
        self._reserved_seconds = reserved_seconds
        self._wait_seconds = wait_seconds
        self._running: threading.Thread | None = None

    def score(
        self,
        scored: Sequence[ScorableEvent],
        scored_at: datetime,
        seconds_left: Callable[[], float],
    ) -> ShadowResult:
        """Never raises, and leaves `reserved_seconds` of the function's time."""
        seconds = min(self._wait_seconds, seconds_left() - self._reserved_seconds)
        if not scored or seconds <= 0:
            return ShadowResult(0, "no time was left for it" if scored else None)
        if self._running is not None and self._running.is_alive():
            return ShadowResult(0, "it is still busy with an earlier batch")
        outcome: list[ShadowResult] = []
        self._running = threading.Thread(
            target=lambda: outcome.append(self._outcome(scored, scored_at, seconds_left)),
            name="shadow",
            daemon=True,
        )
        try:
            self._running.start()
        except RuntimeError:  # the system gives no more threads
            self._running = None
            return ShadowResult(0, "no thread could be started for it")
        self._running.join(seconds)
        return outcome[0] if outcome else ShadowResult(0, "it took too long")

    def _outcome(
        self,
        scored: Sequence[ScorableEvent],
        scored_at: datetime,
        seconds_left: Callable[[], float],
    ) -> ShadowResult:
        try:
            model = self._models.current()
            put = self._sink.put(_outputs(model, scored, scored_at), seconds_left)
        except RideScoringError as error:
            return ShadowResult(0, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the shadow's own affair
            return ShadowResult(0, f"it failed with {type(error).__name__}")
        if put.done < len(scored):
            return ShadowResult(put.done, "some of its predictions are no numbers, or were refused")
        return ShadowResult(put.done)


def _outputs(
    model: ServedModel, scored: Sequence[ScorableEvent], scored_at: datetime
) -> list[OutputRecord]:
    minutes = model.predictor.predict(
        [item.event.ride for item in scored], [item.arrival.arrived_at for item in scored]
    )
    outputs = []
    for item, ride_minutes in zip(scored, minutes.tolist(), strict=True):
        with contextlib.suppress(CannotScore):
            outputs.append(predictions.prediction(model, item, ride_minutes, scored_at))
    return outputs
