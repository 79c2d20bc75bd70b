"""Which nodes a gradient passes through."""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir


def nodes_behind(graph: ir.Graph, trainable: Set[str]) -> list[ir.Node]:
    """The nodes whose result depends on a trained parameter, in their order: the gradient passes through no others."""
    sources = (*graph.inputs, *graph.initializers.values())
    reached: set[ir.Value | None] = {value for value in sources if value.name in trainable}
    nodes = []
    for node in graph:
        if not reached.isdisjoint(node.inputs):
            reached.update(node.outputs)
            nodes.append(node)
    return nodes
