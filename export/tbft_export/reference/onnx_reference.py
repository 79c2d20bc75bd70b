"""A forward ONNX graph computed by PyTorch, so that a model without torch source can be checked too."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from tbft_artifacts.errors import TbftError
from tbft_export.graph.activations import read_activation
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.operands import constant_input, ints, uses_auto_pad
from tbft_export.passes.freeze_batch_norm import running_mean

Operands = list[Tensor]


class OnnxReference:
    """Runs the nodes of a cleaned forward graph with torch functions."""

    def __init__(self, forward: ForwardModel) -> None:
        self.graph = forward.graph
        self._tensors = {
            name: torch.from_numpy(forward.tensor(name).numpy().copy()) for name in forward.graph.initializers
        }

    def tensors(self) -> Mapping[str, Tensor]:
        return self._tensors

    def logits(self, images: Tensor, *, batch_statistics: Collection[str]) -> Tensor:
        values: dict[str | None, Tensor] = dict(self._tensors.items())
        values[self.graph.inputs[0].name] = images
        for node in self.graph:
            if uses_auto_pad(node):
                raise TbftError(
                    f"node '{node.name}' ({node.op_type}) leaves its padding to be found (auto_pad)",
                    "export the model again with explicit pads",
                )
            operands = [values[value.name] for value in node.inputs if value is not None]
            if node.op_type == "BatchNormalization":
                result = _batch_norm(node, operands, running_mean(node) in batch_statistics)
            elif node.op_type in _OPERATORS:
                result = _OPERATORS[node.op_type](node, operands)
            else:
                raise TbftError(
                    f"operator {node.op_type} at node '{node.name}' cannot be compared with PyTorch",
                    "give the torch module itself: `model` package.module:factory",
                )
            values[node.outputs[0].name] = result
        return values[self.graph.outputs[0].name]


def _batch_norm(node: ir.Node, x: Operands, batch_statistics: bool) -> Tensor:
    image, gamma, beta, mean, variance = x
    keep = node.attributes.get_float("momentum", 0.9)
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    return functional.batch_norm(image, mean, variance, gamma, beta, batch_statistics, 1.0 - keep, epsilon)


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


_OPERATORS: dict[str, Callable[[ir.Node, Operands], Tensor]] = {
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
