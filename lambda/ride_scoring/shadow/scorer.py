"""Scores batches with a second model, and writes its predictions beside the champion's."""

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from ride_scoring import predictions
from ride_scoring.errors import CannotScore, RideScoringError
from ride_scoring.models.served import ScorableEvent, ServedModel
from ride_scoring.scoring import Models, Predictions
from ride_scoring.streams.records import OutputRecord


class ShadowResult(msgspec.Struct, frozen=True):
    """How many events of a batch the shadow predicted, and why not all."""

    predicted: int
    failure: str | None = None


class Shadow:
    """Scores the events that the champion scored, after its predictions are written."""

    def __init__(self, models: Models, sink: Predictions) -> None:
        self._models = models
        self._sink = sink

    def score(
        self,
        scored: Sequence[ScorableEvent],
        scored_at: datetime,
        seconds_left: Callable[[], float],
    ) -> ShadowResult:
        """Never raises."""
        try:
            model = self._models.current()
            put = self._sink.put(_outputs(model, scored, scored_at), seconds_left)
        except RideScoringError as error:
            return ShadowResult(0, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the shadow's own affair
            return ShadowResult(0, f"it failed with {type(error).__name__}")
        if put.done < len(scored):
            return ShadowResult(
                put.done, "some of its predictions are not finite, or the stream refused them"
            )
        return ShadowResult(put.done)


def _outputs(
    model: ServedModel, scored: Sequence[ScorableEvent], scored_at: datetime
) -> list[OutputRecord]:
    outputs = []
    for item, number in zip(scored, model.predict(scored), strict=True):
        with contextlib.suppress(CannotScore):
            outputs.append(predictions.prediction(model, item, number, scored_at))
    return outputs
