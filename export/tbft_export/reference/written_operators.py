"""ONNX operators that lowerings write, computed by PyTorch: the table `WRITTEN`.

They compute in PyTorch's default type, so that a graph in float32 can be followed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from tbft_export.graph.operands import ints
from tbft_export.reference.onnx_operators import Operands, Operator, reduction
from tbft_export.reference.onnx_spatial import SPATIAL_OPERATORS

_FLOATS = (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
_WHOLE = {ir.DataType.INT64: torch.int64, ir.DataType.INT32: torch.int32, ir.DataType.BOOL: torch.bool}


def torch_type(kind: ir.DataType) -> torch.dtype:
    """In what a tensor of this type is computed: floating-point numbers in PyTorch's default type."""
    return torch.get_default_dtype() if kind in _FLOATS else _WHOLE.get(kind, torch.int64)


def grouped_convolution(x: Tensor, weight: Tensor, stride: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """x (N, C, H, W), padded already, with weight (K, C / groups, kh, kw) -> (N, K, Ho, Wo).

    PyTorch works float64 off one group after the other, which takes a hundred times as long: here the products of
    shifted images are summed, or all groups are one batch of matrix products.
    """
    filters, depth, *kernel = weight.shape
    groups = x.shape[1] // depth
    rows, columns = (
        (size - step * (length - 1) - 1) // move + 1
        for size, step, length, move in zip(x.shape[2:], dilation, kernel, stride, strict=True)
    )
    if depth == 1 and filters == groups:
        total = torch.zeros(())
        for top in range(kernel[0]):
            for left in range(kernel[1]):
                y0, x0 = top * dilation[0], left * dilation[1]
                shifted = x[:, :, y0 : y0 + stride[0] * rows : stride[0], x0 : x0 + stride[1] * columns : stride[1]]
                total = total + shifted[:, :, :rows, :columns] * weight[:, 0, top, left].reshape(-1, 1, 1)
        return total
    patches = functional.unfold(x, tuple(kernel), dilation=tuple(dilation), stride=tuple(stride))
    patches = patches.reshape(len(x), groups, depth * math.prod(kernel), -1)
    products = weight.reshape(groups, filters // groups, -1) @ patches
    return products.reshape(len(x), filters, rows, columns)


def _max_pool(node: ir.Node, x: Operands) -> Tensor | tuple[Tensor, ...]:
    """With indices as ONNX has them: over the whole flat input."""
    if len(node.outputs) < 2:
        return SPATIAL_OPERATORS["MaxPool"](node, x)
    top, left, bottom, right = ints(node, "pads", [0, 0, 0, 0])
    values, places = functional.max_pool2d(
        functional.pad(x[0], (left, right, top, bottom), value=-math.inf),
        ints(node, "kernel_shape", []),
        ints(node, "strides", [1, 1]),
        dilation=ints(node, "dilations", [1, 1]),
        ceil_mode=bool(node.attributes.get_int("ceil_mode", 0)),
        return_indices=True,
    )
    batch, channels, height, width = x[0].shape
    padded = width + left + right
    places = (places // padded - top) * width + places % padded - left
    images = torch.arange(batch * channels).reshape(batch, channels, 1, 1) * (height * width)
    return values, places + images


def _scatter_elements(node: ir.Node, x: Operands) -> Tensor:
    axis = node.attributes.get_int("axis", 0)
    if node.attributes.get_string("reduction", "none") == "add":
        return x[0].scatter_add(axis, x[1], x[2])
    return x[0].scatter(axis, x[1], x[2])


def _scatter_nd(_node: ir.Node, x: Operands) -> Tensor:
    y = x[0].clone()
    y[tuple(x[1].unbind(-1))] = x[2]
    return y


def _one_hot(node: ir.Node, x: Operands) -> Tensor:
    depth = int(x[1])
    hot = functional.one_hot(x[0].long() % depth, depth)
    axis = node.attributes.get_int("axis", -1)
    off, on = x[2][0], x[2][1]
    return torch.where(hot.movedim(-1, axis).bool(), on, off)


def _constant_of_shape(node: ir.Node, x: Operands) -> Tensor:
    value = node.attributes.get_tensor("value")
    size = x[0].tolist()
    return torch.zeros(size) if value is None else torch.full(size, value.numpy().item(), dtype=torch_type(value.dtype))


def _arg_max(node: ir.Node, x: Operands) -> Tensor:
    keep = bool(node.attributes.get_int("keepdims", 1))
    return torch.argmax(x[0], dim=node.attributes.get_int("axis", 0), keepdim=keep)


def _divide(_node: ir.Node, x: Operands) -> Tensor:
    return x[0] / x[1] if x[0].is_floating_point() else torch.div(x[0], x[1], rounding_mode="trunc")


# Operands are those that are there; a node of several results gives a tuple of them.
WRITTEN: Mapping[str, Operator] = {
    "And": lambda _node, x: x[0] & x[1],
    "ArgMax": _arg_max,
    "Cast": lambda node, x: x[0].to(torch_type(ir.DataType(node.attributes.get_int("to", 1)))),
    "ConstantOfShape": _constant_of_shape,
    "Div": _divide,
    "Equal": lambda _node, x: x[0] == x[1],
    "Exp": lambda _node, x: torch.exp(x[0]),
    "GatherElements": lambda node, x: torch.gather(x[0], node.attributes.get_int("axis", 0), x[1]),
    "Greater": lambda _node, x: x[0] > x[1],
    "GreaterOrEqual": lambda _node, x: x[0] >= x[1],
    "Less": lambda _node, x: x[0] < x[1],
    "LessOrEqual": lambda _node, x: x[0] <= x[1],
    "Log": lambda _node, x: torch.log(x[0]),
    "MaxPool": _max_pool,
    "Not": lambda _node, x: ~x[0],
    "OneHot": _one_hot,
    "Or": lambda _node, x: x[0] | x[1],
    "Pow": lambda _node, x: torch.pow(x[0], x[1]),
    "Reciprocal": lambda _node, x: torch.reciprocal(x[0]),
    "ReduceMax": reduction(lambda x, axes, keep: torch.amax(x, axes, keepdim=keep)),
    "ReduceMean": reduction(lambda x, axes, keep: torch.mean(x, axes, keepdim=keep)),
    "ReduceMin": reduction(lambda x, axes, keep: torch.amin(x, axes, keepdim=keep)),
    "ReduceSum": reduction(lambda x, axes, keep: torch.sum(x, axes, keepdim=keep)),
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Size": lambda _node, x: torch.tensor(x[0].numel()),
    "Sqrt": lambda _node, x: torch.sqrt(x[0]),
    "Sum": lambda _node, x: reduce(torch.add, x),
}
