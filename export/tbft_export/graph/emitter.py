"""Replace one node of a graph by standard operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from tbft_artifacts.names import ORIGIN_END
from tbft_artifacts.plan import ConvolutionForm

Operand = ir.Value | np.ndarray | None
Attribute = int | float | str | Sequence[int]


class Emitter:
    """Collects the nodes that take the place of `node`, then swaps them in.

    Arrays given as operands become initializers of the graph. New values are named after the
    node's first output, which no other node has; new nodes after the node, since its name says which
    layer it computes, forward or backward, and a profile on the device reads it there. `form` says how
    convolutions are to be written.
    """

    def __init__(self, node: ir.Node, form: ConvolutionForm = "direct") -> None:
        if not isinstance(node.graph, ir.Graph):
            raise ValueError(f"node '{node.name}' belongs to no graph")
        self.node = node
        self.form = form
        self.graph = node.graph
        named = next(output.name for output in node.outputs if output.name)
        self._values = f"{named}{ORIGIN_END}{node.op_type}"
        self._nodes: list[ir.Node] = []
        self._count = 0

    def op(self, op_type: str, *operands: Operand, **attributes: Attribute) -> ir.Value:
        """Append a node with one output."""
        return self.ops(op_type, 1, *operands, **attributes)[0]

    def ops(self, op_type: str, outputs: int, *operands: Operand, **attributes: Attribute) -> Sequence[ir.Value]:
        """Append a node with several outputs."""
        inputs = [self.constant(value) if isinstance(value, np.ndarray) else value for value in operands]
        name = self._unique(op_type)
        results = [ir.Value(name=name if index == 0 else f"{name}.{index}") for index in range(outputs)]
        node = ir.Node("", op_type, inputs, ir.convenience.convert_attributes(attributes), outputs=results)
        node.name = self._node_name(node, self.node)
        self._nodes.append(node)
        return results

    def again(self, operands: Sequence[Operand], like: ir.Node | None = None) -> ir.Value:
        """Append the operator of `like`, or of the node itself, with its attributes, on other operands."""
        original = like or self.node
        result = self.op(original.op_type, *operands)
        node = self._nodes[-1]
        node.name = self._node_name(node, original)
        for attribute in original.attributes.values():
            node.attributes[attribute.name] = attribute
        return result

    def constant(self, array: np.ndarray) -> ir.Value:
        """Register an initializer of the graph."""
        name = self._unique("constant")
        value = ir.Value(
            name=name,
            type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
            shape=ir.Shape(array.shape),
            const_value=ir.tensor(array, name=name),
        )
        self.graph.register_initializer(value)
        return value

    def replace(self, *outputs: ir.Value | None) -> None:
        """Put the collected nodes where the node stands; `outputs` take over from its outputs.

        None stands for an output that nothing uses.
        """
        old = [value for value, new in zip(self.node.outputs, outputs, strict=False) if new is not None]
        new = [value for value in outputs if value is not None]
        self.graph.insert_before(self.node, self._nodes)
        for before, after in zip(old, new, strict=True):
            after.shape = before.shape if before.shape is not None else after.shape
            after.type = before.type if before.type is not None else after.type
            if before.is_graph_output():
                before.name, after.name = f"{before.name}/replaced", before.name
            ir.convenience.replace_all_uses_with(before, after, replace_graph_outputs=True)
        self.graph.remove(self.node, safe=True)

    def _unique(self, kind: str) -> str:
        self._count += 1
        return f"{self._values}/{kind}_{self._count}"

    def _node_name(self, node: ir.Node, origin: ir.Node) -> str:
        return f"{origin.name or self._values}{ORIGIN_END}{node.op_type}_{self._count}"
