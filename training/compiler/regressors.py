# ruff: noqa: SLF001 - scikit-learn's histogram boosting keeps its trees in private attributes
"""Converts fitted scikit-learn regressors to ONNX operators that compute minutes from a matrix.

A closed set of exact classes: a subclass may compute something else.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto
from sklearn import linear_model
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.svm import LinearSVR
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from training.compiler.columns import Column, Scaled
from training.compiler.graph import Graph, NotCompilable
from training.compiler.transformers import (
    Matrix,
    Table,
    encoded,
    name_of,
    numbers,
    picked,
    side_by_side,
    thawed,
)
from training.compiler.trees import Tree, add_trees, histogram_tree, plain_tree

_WORTH_SORTING: Final = 50
"""Number of trees from which sorting a batch pays off: it saves a quarter to a half for 1,000
rides, and nothing yet for 100."""


@dataclass(frozen=True)
class Ensemble:
    """Trees and the columns that they split on. `single`: they first round to single precision."""

    trees: tuple[Tree, ...]
    columns: tuple[Column, ...]
    single: bool

    @property
    def most_split(self) -> tuple[int, ...]:
        """The two features with the most splits, or none if sorting rides does not pay off.

        Excludes categories: their order is not that of the codes that the trees see.
        """
        if len(self.trees) < _WORTH_SORTING:
            return ()
        splits = np.concatenate([tree.column[tree.splits] for tree in self.trees])
        columns = [self.columns[index] for index in splits.tolist()]
        found = Counter(column.feature for column in columns if isinstance(column, Scaled))
        return tuple(feature for feature, _ in found.most_common(2)) if len(found) > 1 else ()


@dataclass(frozen=True)
class Minutes:
    """A regressor's output, shape (n, 1)."""

    tensor: str
    ensemble: Ensemble | None = None


def regressed(graph: Graph, regressor: BaseEstimator, taken: Matrix) -> Minutes:
    regressor = thawed(regressor)
    converter = _REGRESSORS.get(type(regressor))
    if converter is None:
        raise NotCompilable(f"there is no ONNX converter for {name_of(regressor)}")
    return converter(graph, regressor, taken)


def _linear(graph: Graph, model: BaseEstimator, taken: Matrix) -> Minutes:
    coefficients = one_target(model.coef_, len(taken.columns), model)
    product = graph.add("MatMul", taken.tensor, graph.constant(coefficients[:, None]))
    return Minutes(plus(graph, product, number(model.intercept_)))


def _log_linear(graph: Graph, model: BaseEstimator, taken: Matrix) -> Minutes:
    return Minutes(graph.add("Exp", _linear(graph, model, taken).tensor))


def one_target(coefficients: ArrayLike, width: int, model: BaseEstimator) -> NDArray[np.float64]:
    found = np.asarray(coefficients, dtype=np.float64)
    if found.shape != (width,):
        raise NotCompilable(
            f"{name_of(model)} gives a matrix, not one number a ride: it was fitted on a target of "
            "two dimensions"
        )
    return found


def number(value: ArrayLike) -> float:
    return float(np.ravel(value)[0])


def plus(graph: Graph, tensor: str, number: float) -> str:
    return graph.add("Add", tensor, graph.constant(np.array([number])))


def _constant_part(initial: BaseEstimator | str, model: BaseEstimator) -> float:
    """The initial value of gradient boosting."""
    if isinstance(initial, str):  # "zero"
        return 0.0
    if type(initial) is not DummyRegressor:
        raise NotCompilable(f"there is no ONNX converter for {name_of(model)}'s init={initial!r}")
    return float(initial.constant_.ravel()[0])


def _decision_tree(graph: Graph, model: BaseEstimator, taken: Matrix) -> Minutes:
    return _plain_trees(graph, model, [model], 1.0, taken)


def _forest(graph: Graph, model: BaseEstimator, taken: Matrix) -> Minutes:
    return _plain_trees(graph, model, model.estimators_, 1 / len(model.estimators_), taken)


def _gradient_boosting(graph: Graph, model: BaseEstimator, taken: Matrix) -> Minutes:
    start = _constant_part(model.init_, model)
    sums = _plain_trees(graph, model, model.estimators_[:, 0], model.learning_rate, taken)
    return Minutes(plus(graph, sums.tensor, start), sums.ensemble)


def _plain_trees(
    graph: Graph,
    model: BaseEstimator,
    members: Sequence[BaseEstimator],
    weight: float,
    taken: Matrix,
) -> Minutes:
    if getattr(model, "n_outputs_", 1) != 1:
        raise NotCompilable(f"{name_of(model)} gives {model.n_outputs_} numbers a ride, not one")
    trees = tuple(plain_tree(member.tree_, weight) for member in members)
    # scikit-learn's trees round values to single precision, but not thresholds.
    single = graph.add("Cast", taken.tensor, to=TensorProto.FLOAT)
    tensor = graph.add("Cast", single, to=TensorProto.DOUBLE)
    return Minutes(add_trees(graph, tensor, trees), Ensemble(trees, taken.columns, single=True))


def _histogram_boosting(graph: Graph, model: BaseEstimator, taken: Matrix) -> Minutes:
    link = type(model._loss.link).__name__
    if link not in {"IdentityLink", "LogLink"}:
        raise NotCompilable(f"there is no ONNX converter for {name_of(model)}'s link {link}")
    taken = _categories_first(graph, model, taken)
    trees = tuple(histogram_tree(predictor) for (predictor,) in model._predictors)
    sums = add_trees(graph, taken.tensor, trees)
    raw = plus(graph, sums, float(model._baseline_prediction.ravel()[0]))
    minutes = raw if link == "IdentityLink" else graph.add("Exp", raw)
    return Minutes(minutes, Ensemble(trees, taken.columns, single=False))


def _categories_first(graph: Graph, model: BaseEstimator, taken: Matrix) -> Matrix:
    """The columns that its trees split on: category positions first, then numeric columns."""
    if model._preprocessor is None:
        return taken
    categorical = np.flatnonzero(model.is_categorical_).tolist()
    numeric = np.flatnonzero(~model.is_categorical_).tolist()
    encoder = model._preprocessor.named_transformers_["encoder"]
    tables = [_positions(keys) for keys in encoder.categories_]
    parts = [encoded(graph, picked(graph, taken, categorical), tables)]
    if numeric:
        parts.append(picked(graph, taken, numeric))
    return side_by_side(graph, parts)


def _positions(categories: NDArray[np.generic]) -> Table:
    """Missing and unseen categories have no position."""
    keys = numbers(categories)
    keys = keys[~np.isnan(keys)]
    return keys, np.arange(len(keys), dtype=np.float64), np.nan


_Regress = Callable[[Graph, BaseEstimator, Matrix], Minutes]

LINEAR: Final = frozenset(
    {
        linear_model.BayesianRidge,
        linear_model.ElasticNet,
        linear_model.ElasticNetCV,
        linear_model.HuberRegressor,
        linear_model.Lasso,
        linear_model.LassoCV,
        linear_model.LinearRegression,
        linear_model.Ridge,
        linear_model.RidgeCV,
        linear_model.SGDRegressor,
        LinearSVR,
    }
)
_REGRESSORS: Final[Mapping[type, _Regress]] = {
    **dict.fromkeys(LINEAR, _linear),
    linear_model.GammaRegressor: _log_linear,
    linear_model.PoissonRegressor: _log_linear,
    DecisionTreeRegressor: _decision_tree,
    ExtraTreeRegressor: _decision_tree,
    ExtraTreesRegressor: _forest,
    RandomForestRegressor: _forest,
    GradientBoostingRegressor: _gradient_boosting,
    HistGradientBoostingRegressor: _histogram_boosting,
}
