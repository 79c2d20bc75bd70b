"""Where the frozen prefix ends and the trained suffix begins."""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir


def find_boundary(graph: ir.Graph, trainable: Set[str]) -> ir.Value:
    """The last activation that everything behind it depends on alone, and nothing trained before it.

    In the order of the nodes, a cut after node k is crossed by the activations that nodes up to k (or
    the graph's input) produce and later nodes use. The boundary is the latest cut, ahead of the first
    node that reads a trained parameter, that exactly one activation crosses. At worst that is the
    input itself, and there is no prefix.
    """
    nodes = list(graph)
    (images,) = graph.inputs
    last_use: dict[ir.Value, int] = {}
    first_trained = len(nodes)
    for index, node in enumerate(nodes):
        for value in node.inputs:
            if value is None:
                continue
            if value.name in trainable:
                first_trained = min(first_trained, index)
            elif value.const_value is None:
                last_use[value] = index
    boundary = images
    alive = {images}
    for index, node in enumerate(nodes[:first_trained]):
        alive |= {value for value in node.outputs if value in last_use}
        alive = {value for value in alive if last_use[value] > index}
        if len(alive) == 1:
            (boundary,) = alive
    return boundary
