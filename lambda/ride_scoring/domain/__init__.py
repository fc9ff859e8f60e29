"""What the function scores: taxi rides. To score something else, replace this package.

The rest of the function is about streams, models and batches. It knows the domain by the names
below and by no module inside; docs/adapting.md says what each must do.
"""

from ride_scoring.domain.events import (
    SCHEMA_VERSION,
    UNIT,
    GoldenRow,
    Prediction,
    inputs,
    partition_key,
    prediction,
    require_scorable,
)
from ride_scoring.domain.events import Ride as Input
from ride_scoring.domain.events import RideEvent as Event
from ride_scoring.domain.features import (
    FIELDS_UNSEEN,
    FRACTIONAL,
    columns,
    matrix,
    require_known,
    require_texts,
)
from ride_scoring.domain.names import MODEL_NAME, PINNED_MODEL_NAME, PREDICTIONS_STREAM_NAME

__all__ = [
    "FIELDS_UNSEEN",
    "FRACTIONAL",
    "MODEL_NAME",
    "PINNED_MODEL_NAME",
    "PREDICTIONS_STREAM_NAME",
    "SCHEMA_VERSION",
    "UNIT",
    "Event",
    "GoldenRow",
    "Input",
    "Prediction",
    "columns",
    "inputs",
    "matrix",
    "partition_key",
    "prediction",
    "require_known",
    "require_scorable",
    "require_texts",
]
