"""Weights as initializers, each of whoever reads it, whatever an exporter made of them."""

from __future__ import annotations

import itertools

import numpy as np
import onnx_ir as ir

from tbft_export.graph.nodes import initializer
from tbft_export.graph.operands import constant_input
from tbft_export.passes.fold_constants import FOLDED

_FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE})
# Where layers take their weights.
_LAYERS = frozenset({"BatchNormalization", "Conv", "ConvTranspose", "Gemm", "InstanceNormalization", "MatMul"})
# Ahead of the number of a copy.
COPY = ".equal"
# What only moves a weight.
_MOVES = frozenset({"Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def lift_weights(graph: ir.Graph) -> None:
    """Rewrite `graph`, which computes the same afterwards.

    1. Weights that are optional inputs, or that `Constant` nodes hold, are initializers; so are those that
       `ConstantOfShape` makes, as in published graphs whose real weights are left out.
    2. Identity of an initializer is one of its own: exporters write equal tensors once, and copies of them.
    """
    for value in list(graph.inputs):  # Case 1
        if value.name in graph.initializers:
            graph.inputs.remove(value)
    for node in list(graph):
        _lift(graph, node)


def _lift(graph: ir.Graph, node: ir.Node) -> None:
    if any(output.is_graph_output() for output in node.outputs):
        return
    found = _held(node)
    # Numbers of graphs, such as shapes and epsilons, stay what they are.
    if found is None or found.dtype not in _FLOATS or not len(found.shape):
        return
    name = node.outputs[0].name or ""
    node.outputs[0].name = f"{name}.lifted"
    tensor = ir.tensor(found.numpy().copy(), dtype=found.dtype, name=name)
    shape = ir.Shape(tensor.shape.numpy())
    copy = ir.Value(name=name, type=ir.TensorType(found.dtype), shape=shape, const_value=tensor)
    graph.register_initializer(copy)
    ir.convenience.replace_all_uses_with(node.outputs[0], copy)
    graph.remove(node, safe=True)


def _held(node: ir.Node) -> ir.TensorProtocol | None:
    """The constant that a node gives, if it is one that holds or copies one."""
    if node.op_type == "Constant":
        return ir.convenience.get_const_tensor(node.outputs[0])
    if node.op_type == "Identity":
        source = node.inputs[0]
        return None if source is None or not source.is_initializer() else source.const_value
    shape = constant_input(node, 0) if node.op_type == "ConstantOfShape" else None
    uses = node.outputs[0].uses()
    if shape is None or not all((user.op_type in _LAYERS and index) or user.op_type in _MOVES for user, index in uses):
        return None
    value = node.attributes.get_tensor("value", None)
    return ir.tensor(np.full(shape, np.float32(0) if value is None else value.numpy().reshape(-1)[0]))


def leave_zeros(graph: ir.Graph) -> None:
    """Leave out the bias of a convolution that has none, where an exporter computes zeros for it."""
    for node in graph:
        bias = node.inputs[2] if node.op_type in ("Conv", "ConvTranspose") and len(node.inputs) > 2 else None
        if bias is not None and (bias.name or "").endswith(FOLDED) and not np.any(constant_input(node, 2)):
            node.resize_inputs(2)


def settle_weights(graph: ir.Graph) -> None:
    """Rewrite `graph`, which computes the same afterwards.

    1. A vector that layers share which otherwise have nothing in common is one for each: it was merged, too.
    2. A weight that is only turned or reshaped ahead of its one layer is what comes out. A matrix that is transposed
       stays: the compiler knows linear layers so.
    """
    _separate(graph)  # Case 1
    for node in list(graph):
        _move(graph, node)  # Case 2


def _separate(graph: ir.Graph) -> None:
    """A layer that is applied twice shares all of its weights; what shares one vector alone was equal by chance."""
    numbers = itertools.count()
    for value in list(graph.initializers.values()):
        if value.dtype != ir.DataType.FLOAT or value.shape is None or len(value.shape) != 1:
            continue
        owners: dict[tuple[object, ...], ir.Value] = {}
        for node, index in list(value.uses()):
            weights = [each.name for each in node.inputs if each is not None and each.is_initializer()]
            # One tensor in two roles cannot be a layer's own, so that others with the same ones are other layers.
            same = () if len(set(weights)) == len(weights) else (id(node),)
            key = (node.op_type, index, *weights, *same)
            if key not in owners:
                owners[key] = value if not owners else _copy(graph, value, next(numbers))
            if owners[key] is not value:
                node.replace_input_with(index, owners[key])


def _copy(graph: ir.Graph, value: ir.Value, number: int) -> ir.Value:
    assert value.const_value is not None
    return initializer(graph, f"{value.name}{COPY}{number}", np.array(value.const_value.numpy()))


def _move(graph: ir.Graph, node: ir.Node) -> None:
    weight = node.inputs[0] if node.inputs else None
    if node.op_type not in _MOVES or weight is None or not weight.is_initializer() or len(weight.uses()) != 1:
        return
    tensor = weight.const_value
    if (
        tensor is None
        or tensor.dtype != ir.DataType.FLOAT
        or not len(tensor.shape)
        or node.outputs[0].is_graph_output()
    ):
        return
    if node.op_type == "Transpose" and len(tensor.shape) == 2:
        return
    array = _moved(node, tensor.numpy())
    if array is None:
        return
    name = weight.name or ""
    graph.initializers.pop(name)
    weight.name = f"{name}.before"
    ir.convenience.replace_all_uses_with(node.outputs[0], initializer(graph, name, array))
    graph.remove(node, safe=True)


def _moved(node: ir.Node, array: np.ndarray) -> np.ndarray | None:
    if node.op_type == "Transpose":
        return np.ascontiguousarray(array.transpose(node.attributes.get_ints("perm", range(array.ndim)[::-1])))
    operand = constant_input(node, 1)
    if node.op_type == "Reshape":
        if operand is None:
            return None
        return array.reshape([size or array.shape[axis] for axis, size in enumerate(operand.tolist())])
    if operand is None and len(node.inputs) > 1:
        return None
    axes = None if operand is None else tuple(operand.tolist())
    if node.op_type == "Squeeze":
        return np.squeeze(array, axes)
    return None if axes is None else np.expand_dims(array, axes)
