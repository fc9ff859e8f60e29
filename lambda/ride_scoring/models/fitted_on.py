"""Finds what a scikit-learn model was fitted on, so that it is given just that.

A vectorizer drops what it does not know and an encoder ignores it, so a model that is given other
names, or numbers in the place of text, predicts the same for all events without a word.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from ride_scoring import domain
from ride_scoring.errors import ModelRefused
from ride_scoring.fields import Field
from ride_scoring.models.inputs import ModelInputs
from ride_scoring.models.mlmodel import Description

_HELD: Final = {
    "FrozenEstimator": "estimator",
    "GridSearchCV": "best_estimator_",
    "RandomizedSearchCV": "best_estimator_",
    "TransformedTargetRegressor": "regressor_",
}
"""Where a model that passes on what it is given keeps the one that it passes it to."""
_NO_STEP: Final = (None, "passthrough")


def inputs_of(fitted: object, description: Description) -> ModelInputs:
    """What the estimator takes. Raises `ModelRefused` where that cannot be known."""
    first = _first(fitted)
    if _is_vectorizer(first):
        return ModelInputs(fields_of(first), "dicts")
    signed = description.takes
    if signed is not None:
        return ModelInputs(signed.fields, "dicts") if _is_hasher(first) else signed
    names = _names(fitted)
    if names is None:
        raise ModelRefused(
            f"the model has no signature, and its {type(first).__name__} names no columns, so what "
            "it takes cannot be known: log it with a signature (mlflow.models.infer_signature)"
        )
    texts = set(_text_columns(first, names))
    return ModelInputs(tuple(Field(name, name in texts) for name in names), "columns")


def fields_of(vectorizer: Any) -> tuple[Field, ...]:  # noqa: ANN401 - a DictVectorizer
    """What a DictVectorizer was fitted on: its columns are `name` for numbers, and `name=value` for
    text. Raises `ModelRefused` where a name was both, or its text is none that an event has."""
    numbers: dict[str, None] = {}
    texts: dict[str, list[str]] = {}
    for column in map(str, vectorizer.feature_names_):
        name, separator, value = column.partition(vectorizer.separator)
        if separator:
            texts.setdefault(name, []).append(value)
        else:
            numbers[name] = None
    if both := numbers.keys() & texts.keys():
        raise ModelRefused(
            f"the model was fitted on {', '.join(sorted(both))} both as a number and as text: fit "
            "it on one of the two"
        )
    for name, known in texts.items():
        domain.require_texts(name, known)
    return (*(Field(name, is_text=True) for name in texts), *map(Field, numbers))


def _first(fitted: object) -> object:
    """The part of a model that sees its input."""
    while True:
        steps = [step for _, step in getattr(fitted, "steps", ()) if step not in _NO_STEP]
        held = steps[0] if steps else getattr(fitted, _HELD.get(type(fitted).__name__, ""), None)
        if held is None:
            return fitted
        fitted = held


def _names(fitted: Any) -> list[str] | None:  # noqa: ANN401 - of any library
    """The columns of the data frame that a model was fitted on, as its library keeps them."""
    names = getattr(fitted, "feature_names_in_", None)
    if names is None:
        names = getattr(fitted, "feature_names", None)  # XGBoost's Booster
    if names is None and callable(of_booster := getattr(fitted, "feature_name", None)):
        names = of_booster()  # LightGBM's
    return None if names is None else [str(name) for name in names]


def takes_dicts(part: object) -> bool:
    """Whether it is a DictVectorizer, or begins with one."""
    return _is_vectorizer(_first(part))


def _is_vectorizer(part: object) -> bool:
    return type(part).__name__ == "DictVectorizer" and hasattr(part, "feature_names_")


def _is_hasher(part: object) -> bool:
    return type(part).__name__ == "FeatureHasher"


def _text_columns(first: object, names: Sequence[str]) -> Iterator[str]:
    """The columns whose categories are text."""
    for encoder, columns in _encoders(first, names):
        for name, categories in zip(columns, encoder.categories_, strict=False):
            known = [text for text in np.asarray(categories, dtype=object) if isinstance(text, str)]
            if known:
                domain.require_texts(name, known)
                yield name


def _encoders(first: object, names: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
    """Each fitted encoder, and the columns that it was fitted on."""
    if hasattr(first, "categories_"):
        yield first, list(names)
    if (within := getattr(first, "_preprocessor", None)) is not None:
        yield from _encoders(within, names)  # of histogram boosting on categories
    for _, part, columns in getattr(first, "transformers_", ()):
        yield from _encoders(_first(part), _named(columns, names))


def _named(columns: object, names: Sequence[str]) -> list[str]:
    """The names of a ColumnTransformer's columns, given as names, numbers, a mask or a slice."""
    if isinstance(columns, slice):
        start, stop = (
            names.index(end) if isinstance(end, str) else end
            for end in (columns.start, columns.stop)
        )
        last = 1 if isinstance(columns.stop, str) else 0
        return list(names[slice(start, None if stop is None else stop + last, columns.step)])
    chosen = np.atleast_1d(np.asarray(columns))
    if chosen.dtype.kind in "UO":
        return [str(name) for name in chosen.tolist()]
    return [str(name) for name in np.asarray(names, dtype=object)[chosen if chosen.size else []]]
