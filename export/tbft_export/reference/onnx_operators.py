"""ONNX operators computed by PyTorch, which torch.autograd can differentiate: the table `OPERATORS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from tbft_export.graph.activations import read_activation
from tbft_export.graph.operands import constant_input, ints
from tbft_export.reference.quantised_operators import QUANTISED

Operands = list[Tensor]


def _padded(node: ir.Node, x: Tensor, value: float = 0.0) -> Tensor:
    top, left, bottom, right = ints(node, "pads", [0, 0, 0, 0])
    return functional.pad(x, (left, right, top, bottom), value=value)


def _conv(node: ir.Node, x: Operands) -> Tensor:
    return functional.conv2d(
        _padded(node, x[0]),
        x[1],
        x[2] if len(x) > 2 else None,
        stride=ints(node, "strides", [1, 1]),
        dilation=ints(node, "dilations", [1, 1]),
        groups=node.attributes.get_int("group", 1),
    )


def _max_pool(node: ir.Node, x: Operands) -> Tensor:
    return functional.max_pool2d(
        _padded(node, x[0], float("-inf")),
        ints(node, "kernel_shape", []),
        ints(node, "strides", [1, 1]),
        dilation=ints(node, "dilations", [1, 1]),
        ceil_mode=bool(node.attributes.get_int("ceil_mode", 0)),
    )


def _average_pool(node: ir.Node, x: Operands) -> Tensor:
    def average(values: Tensor) -> Tensor:
        kernel, strides = ints(node, "kernel_shape", []), ints(node, "strides", [1, 1])
        ceil = bool(node.attributes.get_int("ceil_mode", 0))
        return functional.avg_pool2d(_padded(node, values), kernel, strides, ceil_mode=ceil)

    if node.attributes.get_int("count_include_pad", 0) or not any(ints(node, "pads", [0])):
        return average(x[0])
    return average(x[0]) / average(torch.ones_like(x[0]))


def _unsqueeze(x: Tensor, axes: list[int]) -> Tensor:
    for axis in sorted(each % (x.dim() + len(axes)) for each in axes):
        x = x.unsqueeze(axis)
    return x


def _gemm(node: ir.Node, x: Operands) -> Tensor:
    a = x[0].T if node.attributes.get_int("transA", 0) else x[0]
    b = x[1].T if node.attributes.get_int("transB", 0) else x[1]
    product = node.attributes.get_float("alpha", 1.0) * (a @ b)
    return product + node.attributes.get_float("beta", 1.0) * x[2] if len(x) > 2 else product


def _clip(node: ir.Node, x: Operands) -> Tensor:
    if read_activation(node) is not None:
        return functional.relu6(x[0])
    low, high = constant_input(node, 1), constant_input(node, 2)
    return torch.clamp(x[0], None if low is None else float(low), None if high is None else float(high))


def _hard_sigmoid(node: ir.Node, x: Operands) -> Tensor:
    activation = read_activation(node)
    assert activation is not None
    alpha, beta = activation.attributes["alpha"], activation.attributes["beta"]
    if (round(alpha, 6), beta) == (round(1 / 6, 6), 0.5):
        return functional.hardsigmoid(x[0])
    return torch.clamp(alpha * x[0] + beta, 0, 1)


def _pad(_node: ir.Node, x: Operands) -> Tensor:
    pads = x[1].tolist()
    rank = len(pads) // 2
    pairs = [pads[axis + side * rank] for axis in reversed(range(rank)) for side in (0, 1)]
    return functional.pad(x[0], pairs)


def _reduce_mean(node: ir.Node, x: Operands) -> Tensor:
    keep = bool(node.attributes.get_int("keepdims", 1))
    return torch.mean(x[0], dim=ints(node, "axes", list(range(x[0].dim()))), keepdim=keep)


# Operands are those that are there; a node of several results gives a tuple of them.
OPERATORS: Mapping[str, Callable[[ir.Node, Operands], Tensor | tuple[Tensor, ...]]] = {
    **QUANTISED,
    "Add": lambda _node, x: x[0] + x[1],
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": lambda node, x: torch.cat(x, dim=node.attributes.get_int("axis", 0)),
    "Conv": _conv,
    "Div": lambda _node, x: x[0] / x[1],
    "Flatten": lambda node, x: torch.flatten(x[0], node.attributes.get_int("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _node, x: torch.mean(x[0], dim=(2, 3), keepdim=True),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda _node, x: functional.hardswish(x[0]),
    "MatMul": lambda _node, x: x[0] @ x[1],
    "MaxPool": _max_pool,
    "Mul": lambda _node, x: x[0] * x[1],
    "Pad": _pad,
    "ReduceMean": _reduce_mean,
    "Relu": lambda _node, x: torch.relu(x[0]),
    "Reshape": lambda _node, x: x[0].reshape([size or x[0].shape[axis] for axis, size in enumerate(x[1].tolist())]),
    "Identity": lambda _node, x: x[0],
    "LogSoftmax": lambda node, x: torch.log_softmax(x[0], node.attributes.get_int("axis", -1)),
    "Neg": lambda _node, x: -x[0],
    "Sigmoid": lambda _node, x: torch.sigmoid(x[0]),
    "Softmax": lambda node, x: torch.softmax(x[0], node.attributes.get_int("axis", -1)),
    "Squeeze": lambda _node, x: torch.squeeze(x[0], tuple(x[1].tolist())) if len(x) > 1 else torch.squeeze(x[0]),
    "Sub": lambda _node, x: x[0] - x[1],
    "Tanh": lambda _node, x: torch.tanh(x[0]),
    "Transpose": lambda node, x: x[0].permute(ints(node, "perm", list(range(x[0].dim()))[::-1])),
    "Unsqueeze": lambda _node, x: _unsqueeze(x[0], x[1].tolist()),
}
