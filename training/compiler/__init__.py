"""Compiles a scikit-learn model to the ONNX file that the function runs in its place.

Its metadata is what `models.compiled` expects: the features, the source files, and the measured
parity.
"""

from collections.abc import Mapping

import msgspec
from onnx import ModelProto
from sklearn.base import BaseEstimator

from ride_scoring.models.compiled import PARITY_TOLERANCE, Parity
from ride_scoring.models.inputs import ModelInputs
from training.compiler import graph
from training.compiler.converters import Converted, convert
from training.compiler.graph import NotCompilable
from training.compiler.parity import ParityReport, check

__all__ = ["NotCompilable", "ParityReport", "compile_checked", "compile_model"]

_UNCHECKED = Parity(inputs=0, largest_difference=PARITY_TOLERANCE)
"""The function rejects files with this parity."""


def compile_checked(
    estimator: BaseEstimator, takes: ModelInputs, sources: Mapping[str, str]
) -> tuple[bytes, ParityReport]:
    """The file of a model, checked for parity over many rides. Raises `NotCompilable`.

    `sources` maps the paths of the files that the model was loaded from to their SHA-256.
    """
    converted = convert(estimator, takes)
    model = converted.graph.model(converted.minutes)
    report = check(_file(model, converted, sources, _UNCHECKED), estimator, takes)
    return _file(model, converted, sources, report.parity), report


def compile_model(
    estimator: BaseEstimator,
    takes: ModelInputs,
    sources: Mapping[str, str],
    parity: Parity = _UNCHECKED,
) -> bytes:
    """The file of a model without a parity check; reproducible. Raises `NotCompilable`."""
    converted = convert(estimator, takes)
    return _file(converted.graph.model(converted.minutes), converted, sources, parity)


def _file(
    model: ModelProto, converted: Converted, sources: Mapping[str, str], parity: Parity
) -> bytes:
    facts = {
        "features": list(converted.features),
        "sources": dict(sorted(sources.items())),
        "parity": parity,
        "sorted_by": _sorted_by(converted),
    }
    return graph.stamp(
        model, {name: msgspec.json.encode(fact).decode() for name, fact in facts.items()}
    )


def _sorted_by(converted: Converted) -> list[str] | None:
    """The features that the function sorts a batch by before scoring it."""
    most_split = converted.ensemble.most_split if converted.ensemble else ()
    return [converted.features[index] for index in most_split] or None
