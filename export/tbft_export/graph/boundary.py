"""Where the frozen prefix ends and the trained suffix begins."""

from __future__ import annotations

from collections.abc import Iterator, Set

import onnx_ir as ir


def find_boundary(graph: ir.Graph, trainable: Set[str]) -> ir.Value:
    """The last activation that everything behind it depends on alone, and nothing trained before it.

    The latest of `crossings` ahead of the first node that reads a trained parameter. At worst that is the
    input itself, and there is no prefix.
    """
    (boundary,) = graph.inputs
    found = dict(crossings(graph))
    for index, node in enumerate(graph):
        if any(value is not None and value.name in trainable for value in node.inputs):
            break
        boundary = found.get(index, boundary)
    return boundary


def depends_on_input(graph: ir.Graph) -> set[ir.Value]:
    """The values that are made of what comes in; all others are weights, constants, and what is made of these alone."""
    active = set(graph.inputs)
    for node in graph:
        if any(value in active for value in node.inputs):
            active.update(node.outputs)
    return active


def crossings(graph: ir.Graph) -> Iterator[tuple[int, ir.Value]]:
    """Where the graph falls into two parts with one activation between them: (k, that activation).

    In the order of the nodes, a cut after node k is crossed by the activations that nodes up to k (or the graph's
    input) produce and later nodes use. What is made of weights alone crosses no cut: either part can make it.
    """
    nodes = list(graph)
    active = depends_on_input(graph)
    last_use: dict[ir.Value, int] = {}
    for index, node in enumerate(nodes):
        for value in node.inputs:
            if value is not None and value in active:
                last_use[value] = index
    alive = set(graph.inputs)
    for index, node in enumerate(nodes):
        alive |= {value for value in node.outputs if value in last_use}
        alive = {value for value in alive if last_use[value] > index}
        if len(alive) == 1:
            (activation,) = alive
            yield index, activation
