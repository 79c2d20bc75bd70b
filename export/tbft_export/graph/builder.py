"""Graphs that are built from their inputs on, or grow at their end."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import onnx_ir as ir
from onnx_ir.passes import common

from tbft_artifacts.names import ORIGIN_END
from tbft_export.graph.forward import IR_VERSION, OPSET
from tbft_export.graph.nodes import NodeWriter, numbered


class GraphBuilder:
    """Appends nodes to `graph`."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self._numbers = itertools.count(1)

    def at(self, origin: str) -> NodeWriter:
        """Writes nodes that are named after what they compute for, such as an exit, and values like them."""
        begin = f"{origin}{ORIGIN_END}"
        return NodeWriter(self.graph, numbered(begin, begin, self._numbers))

    def finish(self, outputs: Mapping[str, ir.Value]) -> ir.Model:
        """The model of what these outputs need, by name, every shape but the batch inferred."""
        self.graph.outputs.clear()
        for name, value in outputs.items():
            value.name = name
            self.graph.outputs.append(value)
        model = ir.Model(self.graph, ir_version=IR_VERSION)
        return infer_shapes(common.RemoveUnusedNodesPass()(model).model)


def infer_shapes(model: ir.Model) -> ir.Model:
    """The same with every shape that follows from others."""
    return common.ShapeInferencePass()(model).model


def empty_graph(name: str, inputs: Sequence[ir.Value]) -> ir.Graph:
    """A graph without nodes."""
    return ir.Graph(inputs, [], nodes=[], opset_imports={"": OPSET}, name=name)


def graph_input(
    name: str, shape: Sequence[int | str | ir.SymbolicDim], dtype: ir.DataType = ir.DataType.FLOAT
) -> ir.Value:
    """An input for a graph; dimensions that only the device knows have names."""
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))
