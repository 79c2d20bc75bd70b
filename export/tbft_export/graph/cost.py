"""What a train step costs, counted on the graph that computes it."""

from __future__ import annotations

import math

import onnx_ir as ir

from tbft_artifacts.plan import BYTES_PER_FLOAT, Cost

_LOSS_GRADIENT = "SoftmaxCrossEntropyLossGrad"


def forward_flops(graph: ir.Graph) -> int:
    """Floating-point operations of convolutions and matrix products, for one image."""
    return sum(node_flops(node) for node in graph)


def training_cost(training: ir.Graph, prefix: ir.Graph | None, trainable_elements: int) -> Cost:
    """Cost for one image of a training graph as ORT builds it, before it is lowered.

    Every node up to the loss is forward. A forward value that a node behind the loss reads has to be
    kept; weights are not counted.
    """
    nodes = list(training)
    split = next(index for index, node in enumerate(nodes) if node.op_type == _LOSS_GRADIENT)
    made_forward = {value for node in nodes[:split] for value in node.outputs} | {training.inputs[0]}
    used: set[ir.Value] = set()
    for node in nodes[split:]:
        used |= {value for value in node.inputs if value is not None and value in made_forward}
    return Cost(
        prefix_flops=0 if prefix is None else forward_flops(prefix),
        forward_flops=sum(node_flops(node) for node in nodes[:split]),
        backward_flops=sum(node_flops(node) for node in nodes[split:]),
        activation_bytes=sum(_bytes_per_image(value) for value in used),
        parameter_bytes=trainable_elements * BYTES_PER_FLOAT,
    )


def largest_activation(training: ir.Graph) -> int:
    """Bytes of the largest value that one image has in a training graph."""
    return max(
        _bytes_per_image(value) for node in training for value in (*node.inputs, *node.outputs) if value is not None
    )


def node_flops(node: ir.Node) -> int:
    """Floating-point operations of a convolution, a matrix product, or its gradient, for one image; else 0."""
    match node.op_type:
        case "Conv":
            return 2 * _conv_products(node.inputs[1], node.outputs[0])
        case "ConvGrad":
            wanted = sum(bool(value.name) and bool(value.uses()) for value in node.outputs[:2])
            return wanted * 2 * _conv_products(node.inputs[2], node.inputs[0])
        case "Gemm":
            return 2 * _matrix_products(node)
        case _:
            return 0


def _conv_products(weight: ir.Value | None, output: ir.Value | None) -> int:
    """Products of one image: K * Ho * Wo * (C / g) * kh * kw."""
    if weight is None or output is None or output.shape is None:
        return 0
    pixels = math.prod(dim for dim in output.shape[2:] if isinstance(dim, int))
    return math.prod(static_dims(weight)) * pixels


def _matrix_products(node: ir.Node) -> int:
    """Products of one image: the weight's elements; of two activations, the outer product of their rows."""
    operands = [value for value in node.inputs[:2] if value is not None]
    for value in operands:
        if value.shape is not None and all(isinstance(dim, int) for dim in value.shape):
            return math.prod(static_dims(value))
    return math.prod(dim for value in operands for dim in static_dims(value))


def static_dims(value: ir.Value | None) -> list[int]:
    """The dimensions that are known; of a value without a shape, or of none, there are none."""
    return [dim for dim in (() if value is None else value.shape or ()) if isinstance(dim, int)]


def _bytes_per_image(value: ir.Value) -> int:
    """Bytes of the dimensions behind a symbolic batch; values without one belong to no image."""
    if value.shape is None or len(value.shape) == 0 or isinstance(value.shape[0], int):
        return 0
    size = 1 if value.dtype is None else value.dtype.itemsize
    return int(math.prod(static_dims(value)) * size)
