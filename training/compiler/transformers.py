"""Converts fitted scikit-learn transformers to equivalent ONNX operators on a matrix.

A closed set of exact classes: a subclass may compute something else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder

from training.compiler.columns import Column, Encoded, Scaled
from training.compiler.graph import Graph, NotCompilable

Table = tuple[NDArray[np.float64], NDArray[np.float64], float]
"""Categories, their codes, and the default for anything else."""


@dataclass(frozen=True)
class Matrix:
    """A matrix of doubles, shape (n, len(columns)), and the origin of each column."""

    tensor: str
    columns: tuple[Column, ...]


def transformed(graph: Graph, transformer: BaseEstimator, taken: Matrix) -> Matrix:
    transformer = thawed(transformer)
    converter = _TRANSFORMERS.get(type(transformer))
    if converter is None:
        raise NotCompilable(f"there is no ONNX converter for {name_of(transformer)}")
    return converter(graph, transformer, taken)


def thawed(estimator: BaseEstimator) -> BaseEstimator:
    """Unwraps a FrozenEstimator, which computes the same as the estimator it holds."""
    while type(estimator) is FrozenEstimator:
        estimator = estimator.estimator
    return estimator


def name_of(estimator: BaseEstimator) -> str:
    return type(estimator).__name__


def steps_of(pipeline: BaseEstimator) -> list[BaseEstimator]:
    """A pipeline's steps other than passthrough."""
    return [step for _, step in pipeline.steps if step not in {None, "passthrough"}]


def _pipeline(graph: Graph, pipeline: BaseEstimator, taken: Matrix) -> Matrix:
    for step in steps_of(pipeline):
        taken = transformed(graph, step, taken)
    return taken


def _column_transformer(graph: Graph, transformer: BaseEstimator, taken: Matrix) -> Matrix:
    if transformer.transformer_weights:
        raise NotCompilable("there is no ONNX converter for ColumnTransformer's weights")
    names = list(getattr(transformer, "feature_names_in_", ()))
    parts = []
    for _, part, columns in transformer.transformers_:
        chosen = _chosen(columns, len(taken.columns), names)
        if part != "drop" and chosen:
            parts.append(transformed(graph, part, picked(graph, taken, chosen)))
    if not parts:
        raise NotCompilable("a ColumnTransformer drops every column")
    return side_by_side(graph, parts)


def _chosen(columns: object, width: int, names: Sequence[str]) -> list[int]:
    """Positions of a ColumnTransformer's columns, given as names, numbers, a mask or a slice."""
    if isinstance(columns, slice):
        return list(range(width)[_slice_of(columns, names)])
    chosen = np.atleast_1d(np.asarray(columns))
    if chosen.dtype.kind in "UO":
        return [names.index(name) for name in chosen.tolist()]
    positions: list[int] = np.arange(width)[chosen if chosen.size else []].tolist()
    return positions


def _slice_of(columns: slice, names: Sequence[str]) -> slice:
    """A slice of names includes its end, as pandas' label slices do."""
    start, stop = columns.start, columns.stop
    if isinstance(start, str):
        start = names.index(start)
    if isinstance(stop, str):
        stop = names.index(stop) + 1
    return slice(start, stop, columns.step)


def picked(graph: Graph, taken: Matrix, chosen: Sequence[int]) -> Matrix:
    columns = tuple(taken.columns[index] for index in chosen)
    return Matrix(graph.columns(taken.tensor, chosen), columns)


def side_by_side(graph: Graph, parts: Sequence[Matrix]) -> Matrix:
    if len(parts) == 1:
        return parts[0]
    return Matrix(
        graph.add("Concat", *(part.tensor for part in parts), axis=1),
        tuple(column for part in parts for column in part.columns),
    )


def _function(_: Graph, transformer: BaseEstimator, taken: Matrix) -> Matrix:
    if transformer.func is not None:
        raise NotCompilable("a FunctionTransformer runs Python, which has no ONNX graph")
    return taken  # "passthrough" after fitting a ColumnTransformer


def _standard_scaler(graph: Graph, scaler: BaseEstimator, taken: Matrix) -> Matrix:
    width = len(taken.columns)
    mean = scaler.mean_ if scaler.with_mean else np.zeros(width)
    scale = scaler.scale_ if scaler.with_std else np.ones(width)
    tensor = graph.add("Sub", taken.tensor, graph.constant(mean.astype(np.float64)))
    tensor = graph.add("Div", tensor, graph.constant(scale.astype(np.float64)))
    return Matrix(tensor, tuple(map(_scaled, taken.columns, mean.tolist(), scale.tolist())))


def _scaled(column: Column, mean: float, scale: float) -> Column:
    if isinstance(column, Scaled):
        return Scaled(column.feature, column.offset + mean * column.scale, column.scale * scale)
    codes, default = (column.codes - mean) / scale, (column.default - mean) / scale
    return Encoded(column.feature, column.keys, codes, default)


def _target_encoder(graph: Graph, encoder: BaseEstimator, taken: Matrix) -> Matrix:
    if encoder.target_type_ != "continuous":
        raise NotCompilable(f"a TargetEncoder of a {encoder.target_type_} target gives no minutes")
    mean = float(encoder.target_mean_)
    columns = zip(encoder.categories_, encoder.encodings_, strict=True)
    tables = [(numbers(keys), codes.astype(np.float64), mean) for keys, codes in columns]
    return encoded(graph, taken, tables)


def encoded(graph: Graph, taken: Matrix, tables: Sequence[Table]) -> Matrix:
    """Encodes each column with its own table."""
    parts = []
    for index, (keys, codes, default) in enumerate(tables):
        column = taken.columns[index]
        if column != Scaled(column.feature):
            raise NotCompilable("categories are compiled only where they are a feature itself")
        tensor = graph.lookup(graph.columns(taken.tensor, [index]), keys, codes, default)
        parts.append(Matrix(tensor, (Encoded(column.feature, keys, codes, default),)))
    return side_by_side(graph, parts)


def numbers(categories: NDArray[np.generic]) -> NDArray[np.float64]:
    try:
        return np.asarray(categories, dtype=np.float64)
    except (TypeError, ValueError):
        raise NotCompilable("categories are compiled only where they are numbers") from None


_Transform = Callable[[Graph, BaseEstimator, Matrix], Matrix]

_TRANSFORMERS: Final[Mapping[type, _Transform]] = {
    ColumnTransformer: _column_transformer,
    FunctionTransformer: _function,
    Pipeline: _pipeline,
    StandardScaler: _standard_scaler,
    TargetEncoder: _target_encoder,
}
