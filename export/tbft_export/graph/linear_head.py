"""The last layer of a network, where it is linear."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.source import LinearHead
from tbft_export.graph.forward import ForwardModel

_MATRIX = 2


@dataclass(frozen=True)
class LastLayer:
    """What a linear last layer reads, (batch, F), and how its tensors are named."""

    features: ir.Value
    head: LinearHead


def last_layer(forward: ForwardModel) -> LastLayer | None:
    """The last layer of a graph that ends in a Gemm, or a MatMul and perhaps an Add, of weights alone.

    None for any other: a convolution, an average of several answers, or logits that something scales.
    """
    node = forward.graph.outputs[0].producer()
    bias = None
    if node is not None and node.op_type == "Add":
        product = next((value for value in node.inputs if value is not None and value.producer() is not None), None)
        bias = next((value for value in node.inputs if _is_weight(value, forward)), None)
        node = None if product is None or bias is None else product.producer()
        if node is not None and node.op_type != "MatMul":
            return None
    if node is None or node.op_type not in ("Gemm", "MatMul") or not _is_plain(node):
        return None
    features, weight, *rest = node.inputs
    transposed = node.op_type == "MatMul" or not node.attributes.get_int("transB", 0)
    if rest and rest[0] is not None:
        bias = rest[0]
    return _named(forward, features, weight, bias, transposed=transposed)


def _named(
    forward: ForwardModel,
    features: ir.Value | None,
    weight: ir.Value | None,
    bias: ir.Value | None,
    *,
    transposed: bool,
) -> LastLayer | None:
    if features is None or weight is None or not _is_weight(weight, forward):
        return None
    if bias is not None and not _is_weight(bias, forward):
        return None
    rows, columns = (int(size) for size in forward.tensor(weight.name or "").shape.numpy())
    classes, width = (columns, rows) if transposed else (rows, columns)
    if features.shape is None or len(features.shape) != _MATRIX or features.shape[1] != width:
        return None
    if bias is not None and tuple(forward.tensor(bias.name or "").shape.numpy()) != (classes,):
        return None
    name = None if bias is None else bias.name
    return LastLayer(features, LinearHead(weight.name or "", name, width, transposed))


def _is_weight(value: ir.Value | None, forward: ForwardModel) -> bool:
    return value is not None and value.name in forward.weights and len(forward.tensor(value.name).shape) <= _MATRIX


def _is_plain(node: ir.Node) -> bool:
    """Whether a Gemm adds a product and a bias as they are."""
    one = node.attributes.get_float("alpha", 1.0) == node.attributes.get_float("beta", 1.0) == 1.0
    return one and not node.attributes.get_int("transA", 0)
