"""Converts scikit-learn's trees to a single TreeEnsemble operator.

A split takes its true branch if the value is at most the threshold or, for a category, in the
split's set; a missing value goes where the split says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree import _tree

from training.compiler.graph import ML_DOMAIN, Graph

_AT_MOST: Final = 0
_MEMBER: Final = 6
_SUM: Final = 1
"""Codes of https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html"""
_LEAF: Final = -1
_BITS: Final = 32
"""Bits per word of the bitsets in which histogram boosting stores a split's categories."""

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tree:
    """The m nodes of one tree, each array of shape (m,). In leaves, `true` is -1."""

    true: Indices
    false: Indices
    column: Indices
    threshold: Floats
    missing_is_true: Indices
    value: Floats
    members: dict[int, tuple[int, ...]]
    """Categories that take the true branch, by node, for splits on a category."""

    @property
    def splits(self) -> Indices:
        """The nodes that are not leaves."""
        return np.flatnonzero(self.true != _LEAF)


def plain_tree(tree: _tree.Tree, weight: float) -> Tree:
    """Converts a scikit-learn `Tree`: of a decision tree, a forest or gradient boosting."""
    return _rooted(
        Tree(
            true=tree.children_left.astype(np.int64),
            false=tree.children_right.astype(np.int64),
            column=tree.feature.astype(np.int64),
            threshold=tree.threshold.astype(np.float64),
            missing_is_true=tree.missing_go_to_left.astype(np.int64),
            value=tree.value[:, 0, 0] * weight,
            members={},
        )
    )


def histogram_tree(predictor: TreePredictor) -> Tree:
    """Converts a scikit-learn `TreePredictor`: of histogram boosting."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    by_category = nodes["is_categorical"].astype(bool) & ~leaf
    members = {
        node: _members(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
        for node in np.flatnonzero(by_category).tolist()
    }
    return _rooted(
        Tree(
            true=np.where(leaf, _LEAF, nodes["left"].astype(np.int64)),
            false=np.where(leaf, _LEAF, nodes["right"].astype(np.int64)),
            column=nodes["feature_idx"].astype(np.int64),
            # The operator does not accept an empty set, which means that only missing values take
            # the true branch: use a threshold of -1, as no category is at most that.
            threshold=np.where(by_category, -1.0, nodes["num_threshold"].astype(np.float64)),
            missing_is_true=nodes["missing_go_to_left"].astype(np.int64),
            value=nodes["value"].astype(np.float64),
            members={node: codes for node, codes in members.items() if codes},
        )
    )


def _members(words: NDArray[np.uint32]) -> tuple[int, ...]:
    return tuple(
        word * _BITS + bit
        for word, bits in enumerate(words.tolist())
        for bit in range(_BITS)
        if bits >> bit & 1
    )


def _rooted(tree: Tree) -> Tree:
    """The operator does not support a single leaf: make it a split with the same leaf twice."""
    if len(tree.splits):
        return tree
    return Tree(
        true=np.array([1, _LEAF, _LEAF]),
        false=np.array([2, _LEAF, _LEAF]),
        column=np.zeros(3, dtype=np.int64),
        threshold=np.zeros(3),
        missing_is_true=np.zeros(3, dtype=np.int64),
        value=np.full(3, tree.value[0]),
        members={},
    )


def add_trees(graph: Graph, tensor: str, trees: Sequence[Tree]) -> str:
    """Sums the leaves that each row of a matrix of doubles reaches, shape (n, 1)."""
    splits = [tree.splits for tree in trees]
    sides = [_sides(trees, side) for side in ("true", "false")]
    roots = np.cumsum([0, *(len(nodes) for nodes in splits)])[:-1]

    def of_splits(name: str) -> NDArray[Any]:
        return np.concatenate(
            [getattr(tree, name)[nodes] for tree, nodes in zip(trees, splits, strict=True)]
        )

    leaves = np.concatenate([tree.value[tree.true == _LEAF] for tree in trees])
    by_category = [
        tree.members[node]
        for tree, nodes in zip(trees, splits, strict=True)
        for node in nodes.tolist()
        if node in tree.members
    ]
    attributes = {
        "n_targets": 1,
        "aggregate_function": _SUM,
        "tree_roots": roots.tolist(),
        "nodes_featureids": of_splits("column").tolist(),
        "nodes_splits": numpy_helper.from_array(of_splits("threshold")),
        "nodes_modes": numpy_helper.from_array(_modes(trees)),
        "nodes_missing_value_tracks_true": of_splits("missing_is_true").tolist(),
        "nodes_truenodeids": sides[0][0].tolist(),
        "nodes_trueleafs": sides[0][1].tolist(),
        "nodes_falsenodeids": sides[1][0].tolist(),
        "nodes_falseleafs": sides[1][1].tolist(),
        "leaf_targetids": [0] * len(leaves),
        "leaf_weights": numpy_helper.from_array(leaves),
    }
    if by_category:
        attributes["membership_values"] = numpy_helper.from_array(_sets(by_category))
    return graph.add("TreeEnsemble", tensor, domain=ML_DOMAIN, **attributes)


def _sides(trees: Sequence[Tree], side: str) -> tuple[Indices, Indices]:
    """Each split's child on one side: its position among all splits or all leaves, and whether it
    is a leaf."""
    positions, leafs = [], []
    splits_before = leaves_before = 0
    for tree in trees:
        leaf = tree.true == _LEAF
        position = np.where(
            leaf, np.cumsum(leaf) - 1 + leaves_before, np.cumsum(~leaf) - 1 + splits_before
        )
        led_to = getattr(tree, side)[~leaf]
        positions.append(position[led_to])
        leafs.append(leaf[led_to].astype(np.int64))
        splits_before += int((~leaf).sum())
        leaves_before += int(leaf.sum())
    return np.concatenate(positions), np.concatenate(leafs)


def _modes(trees: Sequence[Tree]) -> NDArray[np.uint8]:
    return np.array(
        [
            _MEMBER if node in tree.members else _AT_MOST
            for tree in trees
            for node in tree.splits.tolist()
        ],
        dtype=np.uint8,
    )


def _sets(by_category: Sequence[Sequence[int]]) -> Floats:
    """The operator takes all sets in one array, each terminated by NaN."""
    return np.array([code for codes in by_category for code in (*codes, np.nan)], dtype=np.float64)
