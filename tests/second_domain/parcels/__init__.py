"""Parcels: how many hours until one is delivered? Put in the place of `ride_scoring.domain`."""

from .events import (
    MODEL_NAME,
    PINNED_MODEL_NAME,
    PREDICTIONS_STREAM_NAME,
    SCHEMA_VERSION,
    UNIT,
    GoldenRow,
    Prediction,
    inputs,
    partition_key,
    prediction,
    require_scorable,
)
from .events import Parcel as Input
from .events import ParcelEvent as Event
from .features import FIELDS_UNSEEN, FRACTIONAL, columns, matrix, require_known, require_texts

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
