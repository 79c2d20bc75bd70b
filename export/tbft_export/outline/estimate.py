"""About what a plan would cost, counted on the forward graph."""

from __future__ import annotations

import math
from collections.abc import Set

import onnx_ir as ir

from tbft_artifacts.plan import BYTES_PER_FLOAT, Cost
from tbft_export.blocks.layers import PRODUCTS
from tbft_export.graph.behind import nodes_behind
from tbft_export.graph.boundary import find_boundary
from tbft_export.graph.cost import node_flops, static_dims
from tbft_export.graph.forward import ForwardModel
from tbft_export.training_plan import TrainingPlan

# Operators whose gradient reads nothing of their own: it is a sum, a copy, or moves numbers.
# fmt: off
_KEEPS_NOTHING = frozenset((
    "Add", "Sub", "Sum", "Concat", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Slice",
    "Split", "Pad", "Gather", "Expand", "Neg", "Cast", "ReduceMean", "ReduceSum", "GlobalAveragePool", "AveragePool",
))
# fmt: on


def estimated_cost(forward: ForwardModel, training: TrainingPlan) -> Cost:
    """Like the cost that a compiled plan has, for one image.

    A layer behind a trained parameter has a gradient of its weights if those are trained, and one of its input if
    something before it is; each takes as many operations as the layer. What such a layer reads is kept.
    """
    trained = frozenset((*training.parameters, *training.sparse))
    graph = forward.graph
    boundary = find_boundary(graph, trained)
    nodes = list(graph)
    first = next((index for index, node in enumerate(nodes, start=1) if boundary in node.outputs), 0)
    behind = nodes_behind(graph, trained)
    moving = {value for node in behind for value in node.outputs}
    kept = {
        value
        for node in behind
        if node.op_type not in _KEEPS_NOTHING
        for value in node.inputs
        if value is not None and value.const_value is None and (node.op_type not in PRODUCTS or _reads(node, trained))
    }
    return Cost(
        prefix_flops=sum(map(layer_flops, nodes[:first])),
        forward_flops=sum(map(layer_flops, nodes[first:])),
        backward_flops=sum(
            layer_flops(node) * (_reads(node, trained) + sum(value in moving for value in node.inputs[:2]))
            for node in behind
        ),
        activation_bytes=sum(_bytes(value) for value in kept),
        parameter_bytes=BYTES_PER_FLOAT * sum(forward.tensor(name).size for name in training.parameters),
    )


def layer_flops(node: ir.Node) -> int:
    """Floating-point operations of a convolution or a matrix product, for one image; else 0."""
    if node.op_type != "MatMul":
        return node_flops(node)
    left, right = (static_dims(value) for value in node.inputs[:2])
    return 2 * math.prod(left) * (right[-1] if right else 1)


def _reads(node: ir.Node, trained: Set[str]) -> bool:
    """Whether a layer multiplies with a trained weight, perhaps a turned one."""
    return any(
        value is not None
        and (value.name in trained or any(each is not None and each.name in trained for each in _made_of(value)))
        for value in node.inputs[:2]
    )


def _made_of(value: ir.Value) -> tuple[ir.Value | None, ...]:
    producer = value.producer()
    return () if producer is None or producer.op_type != "Transpose" else tuple(producer.inputs)


def _bytes(value: ir.Value) -> int:
    """Of one image, where the graph says the whole of a shape."""
    shape = list(value.shape or ())
    return BYTES_PER_FLOAT * math.prod(static_dims(value)) if shape and not isinstance(shape[0], int) else 0
