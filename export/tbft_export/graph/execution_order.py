"""The order in which ONNX Runtime computes the nodes of a graph."""

from __future__ import annotations

from collections.abc import Sequence

import onnx


def execution_order(nodes: Sequence[onnx.NodeProto]) -> list[int]:
    """Numbers of `nodes`, which stand in the order of their file, as ONNX Runtime's sequential executor takes them.

    It searches depth-first from the nodes whose results no other node reads, beginning with the one that stands
    last in the file, and computes a node once all of its inputs are there; of several inputs the one from the node
    that stands later comes first (`Graph::ReverseDFSFrom`, `GraphViewer`, ONNX Runtime 1.31). So a file decides
    how long values live by the order of its last nodes, not of all of them. What graph optimizers fuse or fold is
    not looked into.
    """
    producer = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    stack = [(index, False) for index in results(nodes)]
    entered: set[int] = set()
    order: list[int] = []
    while stack:
        index, is_ready = stack.pop()
        if is_ready:
            order.append(index)
        elif index not in entered:
            entered.add(index)
            stack.append((index, True))
            inputs = {producer[name] for name in nodes[index].input if name in producer}
            stack += [(before, False) for before in sorted(inputs - entered)]
    return order


def results(nodes: Sequence[onnx.NodeProto]) -> list[int]:
    """Numbers of the nodes whose outputs no other node reads."""
    read = {name for node in nodes for name in node.input}
    return [index for index, node in enumerate(nodes) if read.isdisjoint(node.output)]
