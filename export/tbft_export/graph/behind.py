"""What of a graph depends on values of a name."""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir


def nodes_behind(graph: ir.Graph, names: Set[str]) -> list[ir.Node]:
    """The nodes whose result depends on an input or initializer in `names`, in their order.

    Of trained parameters: a gradient passes through these nodes and no others.
    """
    sources = (*graph.inputs, *graph.initializers.values())
    reached: set[ir.Value | None] = {value for value in sources if value.name in names}
    nodes = []
    for node in graph:
        if not reached.isdisjoint(node.inputs):
            reached.update(node.outputs)
            nodes.append(node)
    return nodes
