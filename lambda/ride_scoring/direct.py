"""Test runs: returns a batch's predictions and writes nothing. The response has the shape of the
MLOps Zoomcamp's function when TEST_RUN is set.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from ride_scoring.domain import Prediction
from ride_scoring.models.served import ServedModel
from ride_scoring.scoring import Batch
from ride_scoring.streams.records import KinesisRecord

_decoder = msgspec.json.Decoder(Prediction)


def answer(
    records: Sequence[KinesisRecord], model: ServedModel, scored_at: datetime
) -> dict[str, list[dict[str, Any]]]:
    """`predictions` as in the MLOps Zoomcamp's function; `rejects` only where there are some."""
    batch = Batch(records, model, scored_at)
    predicted = [_decoder.decode(output.data) for output in batch.outputs]
    said: dict[str, list[dict[str, Any]]] = {
        "predictions": [
            {
                "model": item.model,
                "version": item.version,
                "prediction": msgspec.to_builtins(item.prediction),
            }
            for item in predicted
        ]
    }
    if rejects := sorted([*batch.unread, *batch.unscored], key=lambda item: item[0]):
        said["rejects"] = [
            {"event_id": item.event_id, "reason": item.reason, "detail": item.detail}
            for _, item in rejects
        ]
    return said
