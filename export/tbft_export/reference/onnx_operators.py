"""ONNX operators computed by PyTorch, which torch.autograd can differentiate: the table `OPERATORS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from tbft_export.graph.activations import read_activation
from tbft_export.graph.operands import constant_input, ints

Operands = list[Tensor]


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


def _reduce_mean(node: ir.Node, x: Operands) -> Tensor:
    keep = bool(node.attributes.get_int("keepdims", 1))
    return torch.mean(x[0], dim=ints(node, "axes", list(range(x[0].dim()))), keepdim=keep)


# Operands are those that are there; a node of several results gives a tuple of them.
OPERATORS: Mapping[str, Callable[[ir.Node, Operands], Tensor | tuple[Tensor, ...]]] = {
    "Add": lambda _node, x: x[0] + x[1],
    "Clip": _clip,
    "Concat": lambda node, x: torch.cat(x, dim=node.attributes.get_int("axis", 0)),
    "Div": lambda _node, x: x[0] / x[1],
    "Flatten": lambda node, x: torch.flatten(x[0], node.attributes.get_int("axis", 1)),
    "Gemm": _gemm,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda _node, x: functional.hardswish(x[0]),
    "MatMul": lambda _node, x: x[0] @ x[1],
    "Mul": lambda _node, x: x[0] * x[1],
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
