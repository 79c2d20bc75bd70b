"""Images whose channels come last, as TensorFlow has them, taken with channels first."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tbft_export.graph.nodes import initializer
from tbft_export.graph.operands import constant_input

_TO_CHANNELS_FIRST = (0, 3, 1, 2)
_TO_CHANNELS_LAST = (0, 2, 3, 1)
_LAST = 3
_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def take_channels_first(graph: ir.Graph) -> bool:
    """Let a graph that takes (N, H, W, C) take (N, C, H, W); whether it took channels last.

    Where nothing but numbers per channel is computed before the graph itself turns the images, those numbers are
    turned; else the graph begins by turning the images back.
    """
    images = graph.inputs[0]
    shape = images.shape
    if shape is None or len(shape) != len(_TO_CHANNELS_FIRST) or not _has_channels_last(shape):
        return False
    nodes, turn = _chain(images)
    if turn is None:
        turns = _turns_later(images) or (_is_flattened(images) and shape[1] == shape[2])
        return turns and _turn_back(graph)
    for node in nodes:
        _turn_constants(graph, node)
    turn.outputs[0].replace_all_uses_with(turn.inputs[0])  # type: ignore[arg-type]
    graph.remove(turn, safe=True)
    images.shape = ir.Shape([shape[axis] for axis in _TO_CHANNELS_FIRST])
    for node in nodes:
        node.outputs[0].shape = None
    return True


def _has_channels_last(shape: ir.Shape) -> bool:
    channels = shape[_LAST]
    return isinstance(channels, int) and channels <= 4 and shape[1] not in (1, 3)


def _chain(value: ir.Value) -> tuple[list[ir.Node], ir.Node | None]:
    """The elementwise nodes that alone read each other from `value` on, up to the one that turns it."""
    nodes: list[ir.Node] = []
    while len(value.uses()) == 1:
        (node, _), *_ = value.uses()
        if _turns(node):
            return nodes, node
        if node.op_type not in ("Add", "Cast", "Div", "Identity", "Mul", "Sub"):
            break
        nodes.append(node)
        value = node.outputs[0]
    return nodes, None


def _turn_constants(graph: ir.Graph, node: ir.Node) -> None:
    """What a node adds or multiplies per channel, for images whose channels come first."""
    for index in range(len(node.inputs)):
        array = constant_input(node, index)
        if array is None or array.ndim == 0 or array.size == 1:
            continue
        whole = array.reshape((1,) * (len(_TO_CHANNELS_FIRST) - array.ndim) + array.shape)
        turned = np.ascontiguousarray(whole.transpose(_TO_CHANNELS_FIRST))
        node.replace_input_with(index, initializer(graph, f"{node.outputs[0].name}.{index}.turned", turned))


def _turns_later(images: ir.Value) -> bool:
    """Whether the graph turns images ahead of its first layer, but not at once."""
    waiting, seen = [images], set()
    while waiting:
        for node, _ in waiting.pop().uses():
            if _turns(node):
                return True
            if node.op_type not in _LAYERS and node not in seen:
                seen.add(node)
                waiting += node.outputs
    return False


def _is_flattened(images: ir.Value) -> bool:
    return all(node.op_type in ("Flatten", "Reshape") for node, _ in images.uses())


def _turns(node: ir.Node) -> bool:
    return node.op_type == "Transpose" and tuple(node.attributes.get_ints("perm", ())) == _TO_CHANNELS_FIRST


def _turn_back(graph: ir.Graph) -> bool:
    """Begin with images whose channels come first, and turn them as the graph takes them."""
    before = graph.inputs[0]
    assert before.shape is not None
    shape = ir.Shape([before.shape[axis] for axis in _TO_CHANNELS_FIRST])
    images = ir.Value(name=before.name, shape=shape, type=before.type)
    turn = ir.node("Transpose", [images], {"perm": list(_TO_CHANNELS_LAST)}, name=f"{before.name}_channels_last")
    turn.outputs[0].type = before.type
    graph.inputs[0] = images
    ir.convenience.replace_all_uses_with(before, turn.outputs[0])
    graph.insert_before(next(iter(graph)), turn)
    return True
