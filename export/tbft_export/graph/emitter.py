"""Replace one node of a graph by standard operators."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import onnx_ir as ir

from tbft_artifacts.names import ORIGIN_END
from tbft_artifacts.plan import ConvolutionForm
from tbft_export.graph.nodes import Naming, NodeWriter, Operand, numbered


class Emitter(NodeWriter):
    """Collects the nodes that take the place of `node`, then swaps them in, or puts them ahead of it.

    New values are named after the node's first output, which no other node has; new nodes after the node, since its
    name says which layer it computes, forward or backward, and a profile on the device reads it there. `form` says how
    convolutions are to be written.
    """

    def __init__(self, node: ir.Node, form: ConvolutionForm = "direct") -> None:
        if not isinstance(node.graph, ir.Graph):
            raise ValueError(f"node '{node.name}' belongs to no graph")
        self.node = node
        self.form = form
        named = next(output.name for output in node.outputs if output.name)
        self._values = f"{named}{ORIGIN_END}{node.op_type}"
        self._numbers = itertools.count(1)
        self._nodes: list[ir.Node] = []
        super().__init__(node.graph, self._named_after(node), self._nodes.append)

    def again(self, operands: Sequence[Operand], like: ir.Node | None = None) -> ir.Value:
        """Append the operator of `like`, or of the node itself, with its attributes, on other operands."""
        original = like or self.node
        writer = NodeWriter(self.graph, self._named_after(original), self._nodes.append)
        return writer.write(original.op_type, operands, original.attributes.values()).outputs[0]

    def is_needed(self, index: int) -> bool:
        """Whether anything reads the node's output of that number; one that is not there is not needed."""
        output = self.node.outputs[index] if index < len(self.node.outputs) else None
        return output is not None and (bool(output.uses()) or output.is_graph_output())

    def stay(self) -> None:
        """Put the collected nodes ahead of the node, which stays."""
        self.graph.insert_before(self.node, self._nodes)
        self._nodes.clear()

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

    def _named_after(self, origin: ir.Node) -> Naming:
        return numbered(f"{self._values}/", f"{origin.name or self._values}{ORIGIN_END}", self._numbers)
