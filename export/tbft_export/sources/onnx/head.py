"""A last layer for other classes in a graph, as `replace_head` makes one in a torch module."""

from __future__ import annotations

from typing import NamedTuple

import onnx_ir as ir
from torch import nn

from tbft_artifacts.errors import TbftError
from tbft_export.graph.builder import infer_shapes
from tbft_export.graph.forward import BATCH, ForwardModel
from tbft_export.graph.nodes import initializer
from tbft_export.graph.operands import constant_input
from tbft_export.sources.new_head import draw_layer
from tbft_export.sources.signature import class_count

# What may stand behind the head: it makes one number of each class's own, or another shape of them.
_BEHIND = frozenset(
    {
        *("Identity", "Flatten", "Reshape", "Squeeze", "Dropout", "Cast"),
        *("GlobalAveragePool", "AveragePool", "GlobalMaxPool", "MaxPool", "ReduceMean"),
        *("Relu", "LeakyRelu", "Clip", "Tanh", "Sigmoid"),
    }
)


class _Head(NamedTuple):
    """The node that gives the logits, what holds its bias if anything does, and the nodes behind it."""

    node: ir.Node
    bias: ir.Value | None
    behind: tuple[ir.Node, ...]


def replace_graph_head(forward: ForwardModel, classes: int, name: str) -> tuple[ForwardModel, tuple[str, ...]]:
    """`forward`, which is changed, with a fresh layer for `classes`, and the names of that layer's parameters.

    It is the last Gemm, MatMul or 1 x 1 convolution, as PyTorch initialises it; its parameters keep their names.
    Raises TbftError if no such layer gives the logits of the model `name`, each its own.
    """
    old = class_count(forward.graph)
    head = _find(forward, name)
    weight, turned = _weight(head.node)
    values = [value for value in (weight, head.bias) if value is not None]
    for value in values:
        if value.name not in forward.weights or len(value.uses()) != 1:
            raise _no_head(name, f"'{value.name}' of node '{head.node.name}' is used elsewhere, too, or is no weight")
    assert weight is not None
    assert weight.const_value is not None
    layer, by_rows = _drawn(head, weight.const_value, turned is not None, classes, old, name)
    fresh = layer.weight.detach().numpy()
    _set(weight, fresh if by_rows else fresh.T.copy())
    if head.bias is not None:
        assert layer.bias is not None
        _set(head.bias, layer.bias.detach().numpy())
    for node in (head.node, *head.behind, *([] if turned is None else [turned])):
        _change_classes(forward.graph, node, old, classes)
        for value in node.outputs:
            value.shape = None
    logits = forward.graph.outputs[0]
    logits.shape = ir.Shape([BATCH, classes])
    parameters = tuple(value.name for value in values if value.name)
    return ForwardModel(infer_shapes(forward.model), forward.weights), parameters


def _find(forward: ForwardModel, name: str) -> _Head:
    """Back from the logits to the layer behind which nothing else is learned."""
    value: ir.Value | None = forward.graph.outputs[0]
    behind: list[ir.Node] = []
    bias = None
    while value is not None and (node := value.producer()) is not None:
        if node.op_type in ("Gemm", "Conv"):
            return _Head(node, node.inputs[2] if len(node.inputs) > 2 else bias, tuple(behind))
        if node.op_type == "MatMul":
            return _Head(node, bias, tuple(behind))
        constant = [each for each in node.inputs if each is not None and each.name in forward.graph.initializers]
        if node.op_type == "Add" and len(constant) == 1 and bias is None:
            (bias,) = constant
            value = next(each for each in node.inputs if each is not bias)
        elif node.op_type in _BEHIND:
            value = node.inputs[0]
        else:
            raise _no_head(name, f"node '{node.name}' ({node.op_type}) stands between it and the logits")
        behind.append(node)
    raise _no_head(name, "nothing in it is learned")


def _weight(node: ir.Node) -> tuple[ir.Value | None, ir.Node | None]:
    """The weight of a layer, and the Transpose between the two if there is one: PyTorch keeps a row for each class."""
    weight = node.inputs[1]
    turned = None if weight is None else weight.producer()
    if turned is None or turned.op_type != "Transpose" or turned.attributes.get_ints("perm", (1, 0)) != (1, 0):
        return weight, None
    return turned.inputs[0], turned


def _drawn(
    head: _Head, old: ir.TensorProtocol, turned: bool, classes: int, before: int, name: str
) -> tuple[nn.Linear | nn.Conv2d, bool]:
    """The fresh layer, and whether the graph holds its weight as PyTorch does, a row for each class."""
    node, shape = head.node, tuple(int(size) for size in old.shape.numpy())
    has_bias = head.bias is not None
    if node.op_type == "Conv":
        if shape[0] != before or len(shape) != 4 or shape[2:] != (1, 1) or node.attributes.get_int("group", 1) != 1:
            raise _no_head(name, f"convolution '{node.name}' is none of 1 x 1 with {before} outputs")
        return draw_layer(lambda: nn.Conv2d(shape[1], classes, 1, bias=has_bias), old.numpy()), True
    by_rows = (node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1) != turned
    if len(shape) != 2 or shape[0 if by_rows else 1] != before or node.attributes.get_int("transA", 0) != 0:
        raise _no_head(name, f"node '{node.name}' ({node.op_type}) has weights {shape}")
    features = shape[1 if by_rows else 0]
    return draw_layer(lambda: nn.Linear(features, classes, bias=has_bias), old.numpy()), by_rows


def _change_classes(graph: ir.Graph, node: ir.Node, old: int, classes: int) -> None:
    """Let a Reshape behind the head say the new number of classes where it says the old one."""
    shape = constant_input(node, 1) if node.op_type == "Reshape" else None
    if shape is None or len(shape) < 2 or shape[1] != old:
        return
    changed = shape.copy()
    changed[1] = classes
    node.replace_input_with(1, initializer(graph, f"{node.name}_classes", changed))


def _set(value: ir.Value, array: object) -> None:
    tensor = ir.tensor(array, name=value.name)  # type: ignore[arg-type]
    value.const_value, value.shape = tensor, ir.Shape(tensor.shape.numpy())


def _no_head(name: str, reason: str) -> TbftError:
    return TbftError(
        f"no layer of '{name}' gives its logits, a number for each, so there is no head to replace: {reason}",
        "give the torch module itself, `model` package.module:factory, or change the head in it",
    )
