"""What some tools write with an operator of their own liking, written as the compiler knows it."""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter


def spell_alike(graph: ir.Graph) -> None:
    """Rewrite `graph`, which computes the same afterwards: Sum of several values is one Add after the other."""
    for node in list(graph):
        if node.op_type == "Sum":
            emit = Emitter(node)
            total, *others = node.inputs
            for other in others:
                total = emit.op("Add", total, other)
            emit.replace(total if others else emit.op("Identity", total))
