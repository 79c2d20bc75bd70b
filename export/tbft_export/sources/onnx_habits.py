"""What exporters write in their own ways, written in one: weights as initializers, each of whoever reads it."""

from __future__ import annotations

import itertools

import numpy as np
import onnx_ir as ir

from tbft_artifacts.names import LABELS, LOGITS, LOSS
from tbft_export.graph.forward import IMAGES
from tbft_export.graph.nodes import initializer
from tbft_export.graph.operands import constant_input

_RESERVED = (IMAGES, LOGITS, LABELS, LOSS)


def settle(graph: ir.Graph) -> None:
    """Rewrite `graph`, which computes the same afterwards.

    1. Weights that are optional inputs, or that `Constant` nodes hold, are initializers.
    2. Identity of an initializer is one of its own: exporters write equal tensors once, and copies of them.
    3. A vector that layers share which otherwise have nothing in common is one for each: it was merged, too.
    4. Identity and Dropout at the end go.
    5. Where the batch is fixed, a Reshape to it keeps the batch that comes in.
    6. Values inside do not have the names that every bundle uses, and no two nodes have one.
    """
    for value in list(graph.inputs):  # Case 1
        if value.name in graph.initializers:
            graph.inputs.remove(value)
    for node in list(graph):
        _lift(graph, node)  # Cases 1 and 2
    _separate(graph)  # Case 3
    last = graph.outputs[0].producer() if len(graph.outputs) == 1 else None
    while last is not None and last.op_type in ("Identity", "Dropout") and last.inputs[0] is not None:  # Case 4
        graph.outputs[0] = _take_over(last.inputs[0], graph.outputs[0])
        last.outputs[0].name = f"{last.outputs[0].name}.left"
        if not last.outputs[0].uses():
            graph.remove(last, safe=True)
        last = graph.outputs[0].producer()
    _free_batch(graph)  # Case 5
    values = [*graph.initializers.values(), *(output for node in graph for output in node.outputs)]
    for value in values:  # Case 6
        if value.name in _RESERVED and value not in graph.outputs:
            _rename(graph, value, f"{value.name}.inside")
    nodes: set[str | None] = set()
    for number, node in enumerate(graph):
        if node.name and node.name in nodes:
            node.name = f"{node.name}.{number}"
        nodes.add(node.name)


def _lift(graph: ir.Graph, node: ir.Node) -> None:
    if node.op_type not in ("Constant", "Identity") or any(output.is_graph_output() for output in node.outputs):
        return
    source = node.outputs[0] if node.op_type == "Constant" else node.inputs[0]
    if source is None or (node.op_type == "Identity" and not source.is_initializer()):
        return
    tensor = ir.convenience.get_const_tensor(source)
    # Numbers of graphs, such as shapes and epsilons, stay what they are.
    if tensor is None or tensor.dtype != ir.DataType.FLOAT or not len(tensor.shape):
        return
    name = node.outputs[0].name or ""
    node.outputs[0].name = f"{name}.lifted"
    copy = initializer(graph, name, np.array(tensor.numpy()))
    ir.convenience.replace_all_uses_with(node.outputs[0], copy)
    graph.remove(node, safe=True)


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
    return initializer(graph, f"{value.name}.equal{number}", np.array(value.const_value.numpy()))


def _take_over(value: ir.Value, output: ir.Value) -> ir.Value:
    value.shape, value.type = output.shape or value.shape, output.type or value.type
    return value


def _free_batch(graph: ir.Graph) -> None:
    shape = graph.inputs[0].shape if len(graph.inputs) == 1 else None
    batch = shape[0] if shape is not None and len(shape) else None
    if not isinstance(batch, int):
        return
    for node in graph:
        target = constant_input(node, 1) if node.op_type == "Reshape" else None
        data = node.inputs[0] if target is not None else None
        if (
            target is None
            or data is None
            or data.const_value is not None
            or bool(node.attributes.get_int("allowzero", 0))
        ):
            continue
        if target.size > 1 and target[0] == batch:
            # 0 takes over the size that comes in.
            freed = np.array([0, *target[1:]], np.int64)
            node.replace_input_with(1, initializer(graph, f"{node.outputs[0].name}.shape", freed))


def _rename(graph: ir.Graph, value: ir.Value, name: str) -> None:
    if value.is_initializer():
        graph.initializers.pop(value.name or "")
        value.name = name
        graph.register_initializer(value)
    else:
        value.name = name
