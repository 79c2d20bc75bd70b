"""What some tools write with an operator of their own liking, written as the compiler knows it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.graph.operands import constant_input


def spell_alike(graph: ir.Graph) -> None:
    """Rewrite `graph`, which computes the same afterwards.

    1. Sum of several values is one Add after the other.
    2. GatherND of constant places is a Gather from the axes that they are on, laid in one. PyTorch's newer exporter
       writes uneven adaptive pools so.
    """
    for node in list(graph):
        if node.op_type == "Sum":  # Case 1
            emit = Emitter(node)
            total, *others = node.inputs
            for other in others:
                total = emit.op("Add", total, other)
            emit.replace(total if others else emit.op("Identity", total))
        elif node.op_type == "GatherND" and not node.attributes.get_int("batch_dims", 0):  # Case 2
            _gather(node)


def _gather(node: ir.Node) -> None:
    x, places = node.inputs[0], constant_input(node, 1)
    if x is None or x.shape is None or places is None:
        return
    depth = places.shape[-1]
    lengths = [size for size in x.shape[:depth] if isinstance(size, int)]
    behind = [size if isinstance(size, int) else -1 for size in x.shape[depth:]]
    if len(lengths) < depth or behind.count(-1) > 1:
        return
    numbers = np.ravel_multi_index(tuple(np.moveaxis(places % lengths, -1, 0)), lengths)
    emit = Emitter(node)
    rows = emit.op("Reshape", x, [int(np.prod(lengths)), *behind])
    emit.replace(emit.op("Gather", rows, np.asarray(numbers, np.int64), axis=0))
