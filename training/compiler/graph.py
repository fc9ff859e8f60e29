"""Builds an ONNX model operator by operator.

Everything is double precision: a rounded threshold would send rides on it down the wrong branch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ride_scoring.models.compiled import INPUT, OUTPUT

ML_DOMAIN: Final = "ai.onnx.ml"
_OPSETS: Final = (("", 21), (ML_DOMAIN, 5))
"""Opset 5 of ai.onnx.ml is the first with trees in double precision; earlier tree operators give
singles. All of this is in ONNX 1.16 (IR version 10), which every later runtime reads."""
_IR_VERSION: Final = 10


class NotCompilable(Exception):
    """The estimator has no equivalent ONNX graph; the message says why in one sentence."""


@dataclass
class Graph:
    """Operators in execution order. Their names depend on that order alone."""

    width: int
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: object) -> str:
        """Adds an operator; returns the name of its single output."""
        output = f"{operator}_{len(self.nodes)}"
        node = helper.make_node(operator, list(inputs), [output], domain=domain)
        node.attribute.extend(
            helper.make_attribute(name, value) for name, value in attributes.items()
        )
        self.nodes.append(node)
        return output

    def constant(self, values: NDArray[np.generic]) -> str:
        """Adds a constant tensor; returns its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def columns(self, tensor: str, chosen: Sequence[int]) -> str:
        """The columns `chosen` of a matrix, in that order."""
        return self.add("Gather", tensor, self.constant(np.array(chosen, dtype=np.int64)), axis=1)

    def lookup(
        self,
        tensor: str,
        keys: NDArray[np.float64],
        values: NDArray[np.float64],
        default: float,
    ) -> str:
        """Maps exact keys to values, and any other number to `default`. NaN can be a key."""
        return self.add(
            "LabelEncoder",
            tensor,
            domain=ML_DOMAIN,
            keys_tensor=numpy_helper.from_array(keys),
            values_tensor=numpy_helper.from_array(values),
            default_tensor=numpy_helper.from_array(np.array([default])),
        )

    def model(self, minutes: str) -> ModelProto:
        """The model that outputs the tensor `minutes`, shape (n, 1), flattened to a vector."""
        axes = self.constant(np.array([1], dtype=np.int64))
        squeeze = helper.make_node("Squeeze", [minutes, axes], [OUTPUT])
        rides = "rides"
        graph = helper.make_graph(
            [*self.nodes, squeeze],
            "ride_duration",
            [helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, [rides, self.width])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.DOUBLE, [rides])],
            self.constants,
        )
        return helper.make_model(
            graph,
            producer_name="ride-scoring",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid(*opset) for opset in _OPSETS],
        )


def stamp(model: ModelProto, facts: Mapping[str, str]) -> bytes:
    """The model file with `facts` as its metadata; reproducible."""
    stamped = ModelProto()
    stamped.CopyFrom(model)
    helper.set_model_props(stamped, dict(facts))
    content: bytes = stamped.SerializeToString(deterministic=True)
    return content
