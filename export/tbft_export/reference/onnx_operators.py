"""ONNX operators computed by PyTorch, which torch.autograd can differentiate: the table `OPERATORS`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from tbft_export.graph.activations import read_activation
from tbft_export.graph.operands import ints
from tbft_export.reference.quantised_operators import QUANTISED

Operands = list[Tensor]
Operator = Callable[[ir.Node, Operands], Tensor | tuple[Tensor, ...]]


def operand(node: ir.Node, x: Operands, place: int) -> Tensor | None:
    """What `node` reads at that place; None where it is left out."""
    places = [index for index, value in enumerate(node.inputs) if value is not None]
    return x[places.index(place)] if place in places else None


def _unsqueeze(x: Tensor, axes: list[int]) -> Tensor:
    for axis in sorted(each % (x.dim() + len(axes)) for each in axes):
        x = x.unsqueeze(axis)
    return x


def _gemm(node: ir.Node, x: Operands) -> Tensor:
    a = x[0].T if node.attributes.get_int("transA", 0) else x[0]
    b = x[1].T if node.attributes.get_int("transB", 0) else x[1]
    alpha, beta = node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0)
    # A gradient of weights is large, and a product with 1 would be a copy of it.
    product = a @ b if alpha == 1.0 else alpha * (a @ b)
    if len(x) < 3:
        return product
    return product + (x[2] if beta == 1.0 else beta * x[2])


def _clip(node: ir.Node, x: Operands) -> Tensor:
    """Between 0 and 6 it is an activation, whose gradient is 0 at both."""
    low, high = operand(node, x, 1), operand(node, x, 2)
    if low is not None and high is not None and (float(low), float(high)) == (0.0, 6.0):
        return functional.relu6(x[0])
    return torch.clamp(x[0], low, high)


def _hard_sigmoid(node: ir.Node, x: Operands) -> Tensor:
    activation = read_activation(node)
    assert activation is not None
    alpha, beta = activation.attributes["alpha"], activation.attributes["beta"]
    if (round(alpha, 6), beta) == (round(1 / 6, 6), 0.5):
        return functional.hardsigmoid(x[0])
    return torch.clamp(alpha * x[0] + beta, 0, 1)


def _layer_norm(node: ir.Node, x: Operands) -> tuple[Tensor, ...]:
    """With the mean and 1 / std, which a gradient reads."""
    axes = tuple(range(node.attributes.get_int("axis", -1) % x[0].dim(), x[0].dim()))
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    bias = x[2] if len(x) > 2 else None
    y = functional.layer_norm(x[0], x[0].shape[axes[0] :], x[1], bias, epsilon)
    if len(node.outputs) == 1:
        return (y,)
    variance, mean = torch.var_mean(x[0], dim=axes, correction=0, keepdim=True)
    return y, mean, torch.rsqrt(variance + epsilon)


def _instance_norm(node: ir.Node, x: Operands) -> Tensor:
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    # PyTorch's own refuses images of one pixel.
    axes = tuple(range(2, x[0].dim()))
    variance, mean = torch.var_mean(x[0], dim=axes, correction=0, keepdim=True)
    scale, bias = (each.reshape(-1, *[1] * len(axes)) for each in x[1:])
    return (x[0] - mean) / torch.sqrt(variance + epsilon) * scale + bias


def _lp_normalization(node: ir.Node, x: Operands) -> Tensor:
    axis = node.attributes.get_int("axis", -1)
    length: Tensor = torch.linalg.vector_norm(x[0], node.attributes.get_int("p", 2), dim=axis, keepdim=True)
    return x[0] / torch.where(length == 0, torch.ones_like(length), length)


def reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    """`function` of the operand, the axes, and whether they stay; without axes of all, or of none where asked for."""

    def reduced(node: ir.Node, x: Operands) -> Tensor:
        axes = x[1].tolist() if len(x) > 1 else ints(node, "axes", ())
        if not axes and node.attributes.get_int("noop_with_empty_axes", 0) == 1:
            return x[0]
        return function(x[0], axes or list(range(x[0].dim())), bool(node.attributes.get_int("keepdims", 1)))

    return reduced


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((each % x.dim() for each in axes), reverse=True):
        x = torch.prod(x, dim=axis, keepdim=keep)
    return x


def _einsum(node: ir.Node, x: Operands) -> Tensor:
    equation = node.attributes.get_string("equation", "")
    product: Tensor = torch.einsum(str(equation), *x)
    return product


def _cumulative_sum(node: ir.Node, x: Operands) -> Tensor:
    axis = int(x[1])
    y = x[0].flip(axis) if node.attributes.get_int("reverse", 0) else x[0]
    total = torch.cumsum(y, axis)
    total = total - y if node.attributes.get_int("exclusive", 0) else total
    return total.flip(axis) if node.attributes.get_int("reverse", 0) else total


def _trilu(node: ir.Node, x: Operands) -> Tensor:
    diagonal = int(x[1]) if len(x) > 1 else 0
    return torch.triu(x[0], diagonal) if node.attributes.get_int("upper", 1) else torch.tril(x[0], diagonal)


def _shrink(node: ir.Node, x: Operands) -> Tensor:
    bias, bound = node.attributes.get_float("bias", 0.0), node.attributes.get_float("lambd", 0.5)
    below = torch.where(x[0] < -bound, x[0] + bias, torch.zeros_like(x[0]))
    return torch.where(x[0] > bound, x[0] - bias, below)


def _attribute(function: Callable[[Tensor, float], Tensor], name: str, default: float) -> Operator:
    """An activation with one attribute."""
    return lambda node, x: function(x[0], node.attributes.get_float(name, default))


def _selu(node: ir.Node, x: Operands) -> Tensor:
    alpha = node.attributes.get_float("alpha", 1.67326319)
    return node.attributes.get_float("gamma", 1.05070102) * functional.elu(x[0], alpha)


def _flatten(node: ir.Node, operands: Operands) -> Tensor:
    """Both sizes are found here: of a tensor without elements, as no chosen row is, -1 says nothing."""
    x, axis = operands[0], node.attributes.get_int("axis", 1)
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


# Operands are those that are there; a node of several results gives a tuple of them.
OPERATORS: Mapping[str, Operator] = {
    **QUANTISED,
    "Add": lambda _node, x: x[0] + x[1],
    "Clip": _clip,
    "Concat": lambda node, x: torch.cat(x, dim=node.attributes.get_int("axis", 0)),
    "Flatten": _flatten,
    "Gemm": _gemm,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda _node, x: functional.hardswish(x[0]),
    "MatMul": lambda _node, x: x[0] @ x[1],
    "Mul": lambda _node, x: x[0] * x[1],
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
    # Activations.
    "Abs": lambda _node, x: torch.abs(x[0]),
    "Celu": _attribute(functional.celu, "alpha", 1.0),
    "Elu": _attribute(functional.elu, "alpha", 1.0),
    "Erf": lambda _node, x: torch.erf(x[0]),
    "LeakyRelu": _attribute(functional.leaky_relu, "alpha", 0.01),
    "Mish": lambda _node, x: functional.mish(x[0]),
    "PRelu": lambda _node, x: torch.where(x[0] > 0, x[0], x[0] * x[1]),
    "Selu": _selu,
    "Shrink": _shrink,
    "Softplus": lambda _node, x: functional.softplus(x[0]),
    "Softsign": lambda _node, x: functional.softsign(x[0]),
    "ThresholdedRelu": _attribute(lambda x, alpha: functional.threshold(x, alpha, 0.0), "alpha", 1.0),
    # Of each element.
    "Acos": lambda _node, x: torch.acos(x[0]),
    "Acosh": lambda _node, x: torch.acosh(x[0]),
    "Asin": lambda _node, x: torch.asin(x[0]),
    "Asinh": lambda _node, x: torch.asinh(x[0]),
    "Atan": lambda _node, x: torch.atan(x[0]),
    "Atanh": lambda _node, x: torch.atanh(x[0]),
    "Ceil": lambda _node, x: torch.ceil(x[0]),
    "Cos": lambda _node, x: torch.cos(x[0]),
    "Cosh": lambda _node, x: torch.cosh(x[0]),
    "Floor": lambda _node, x: torch.floor(x[0]),
    "Max": lambda _node, x: functools.reduce(torch.maximum, x),
    "Mean": lambda _node, x: functools.reduce(torch.add, x) / len(x),
    "Min": lambda _node, x: functools.reduce(torch.minimum, x),
    "Mod": lambda node, x: (torch.fmod if node.attributes.get_int("fmod", 0) else torch.remainder)(x[0], x[1]),
    "Round": lambda _node, x: torch.round(x[0]),
    "Sign": lambda _node, x: torch.sign(x[0]),
    "Sin": lambda _node, x: torch.sin(x[0]),
    "Sinh": lambda _node, x: torch.sinh(x[0]),
    "Tan": lambda _node, x: torch.tan(x[0]),
    # Norms.
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LpNormalization": _lp_normalization,
    # Over axes.
    "CumSum": _cumulative_sum,
    "Einsum": _einsum,
    "ReduceL1": reduction(lambda x, axes, keep: torch.sum(torch.abs(x), axes, keepdim=keep)),
    "ReduceL2": reduction(lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep)),
    "ReduceLogSum": reduction(lambda x, axes, keep: torch.log(torch.sum(x, axes, keepdim=keep))),
    "ReduceLogSumExp": reduction(lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep)),
    "ReduceProd": reduction(_product),
    "ReduceSumSquare": reduction(lambda x, axes, keep: torch.sum(x * x, axes, keepdim=keep)),
    # Moving.
    "Range": lambda _node, x: torch.arange(x[0].item(), x[1].item(), x[2].item(), dtype=x[0].dtype),
    "Trilu": _trilu,
}
