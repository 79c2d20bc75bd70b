"""Standard nodes appended to a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from tbft_artifacts.names import ORIGIN_END
from tbft_export.graph.forward import BATCH, IR_VERSION, OPSET

Operand = ir.Value | np.ndarray


class GraphBuilder:
    """Appends nodes to `graph`, each named after what it computes for, such as an exit."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self._tape = ir.tape.Tape(graph)
        self._count = 0

    def op(self, origin: str, op_type: str, *operands: Operand, **attributes: int | Sequence[int]) -> ir.Value:
        """Append a node with one output. Arrays become initializers."""
        inputs = [self._constant(origin, each) if isinstance(each, np.ndarray) else each for each in operands]
        name = self._name(origin, op_type)
        value = self._tape.op(op_type, inputs, attributes, name=name)
        value.name = name
        return value

    def weight(self, name: str, array: np.ndarray) -> ir.Value:
        """Register an initializer under a name of its own."""
        tensor = ir.tensor(array, name=name)
        value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor)
        self.graph.register_initializer(value)
        return value

    def finish(self, outputs: Mapping[str, ir.Value]) -> ir.Model:
        """The model of what these outputs need, by name, every shape but the batch inferred."""
        self.graph.outputs.clear()
        for name, value in outputs.items():
            value.name = name
            self.graph.outputs.append(value)
        model = ir.Model(self.graph, ir_version=IR_VERSION)
        return infer_shapes(common.RemoveUnusedNodesPass()(model).model)

    def _constant(self, origin: str, array: np.ndarray) -> ir.Value:
        return self.weight(self._name(origin, "constant"), array)

    def _name(self, origin: str, op_type: str) -> str:
        self._count += 1
        return f"{origin}{ORIGIN_END}{op_type}_{self._count}"


def infer_shapes(model: ir.Model) -> ir.Model:
    """The same with every shape that follows from others."""
    return common.ShapeInferencePass()(model).model


def empty_graph(name: str, inputs: Sequence[ir.Value]) -> ir.Graph:
    """A graph without nodes."""
    return ir.Graph(inputs, [], nodes=[], opset_imports={"": OPSET}, name=name)


def graph_input(name: str, shape: Sequence[int], dtype: ir.DataType = ir.DataType.FLOAT) -> ir.Value:
    """A graph input (batch, *shape)."""
    return ir.Value(name=name, shape=ir.Shape([BATCH, *shape]), type=ir.TensorType(dtype))
