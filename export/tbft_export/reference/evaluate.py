"""Nodes of an ONNX graph computed one after the other by PyTorch, in its default type."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from tbft_artifacts.errors import TbftError
from tbft_export.graph.operands import uses_auto_pad
from tbft_export.passes.freeze_batch_norm import running_mean
from tbft_export.reference.onnx_operators import OPERATORS, Operands
from tbft_export.reference.onnx_spatial import SPATIAL_OPERATORS
from tbft_export.reference.written_operators import WRITTEN, grouped_convolution, torch_type

# Of forward graphs, and of what is compiled.
KNOWN_OPERATORS = {**OPERATORS, **SPATIAL_OPERATORS, **WRITTEN}

# What a node gave -> what is to be taken instead.
Decide = Callable[[ir.Node, tuple[Tensor, ...]], tuple[Tensor, ...]]


# Computes a node that no table has.
Otherwise = Callable[[ir.Node, Operands], tuple[Tensor, ...]]


class UnknownOperatorError(TbftError):
    """PyTorch's tables lack an operator of a graph."""


class _FastGroups(TorchFunctionMode):
    """Inside, 2-D convolutions with groups in float64 take PyTorch no longer than others."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.conv2d:
            names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
            given = dict(zip(names, args, strict=False)) | kwargs
            x, weight, padding = given["input"], given["weight"], given.get("padding", 0)
            if given.get("groups", 1) > 1 and x.dtype == torch.float64 and x.dim() == 4 and padding != "same":
                vertical, horizontal = _pair(0 if padding == "valid" else padding)
                image = functional.pad(x, (horizontal, horizontal, vertical, vertical))
                y = grouped_convolution(image, weight, _pair(given.get("stride", 1)), _pair(given.get("dilation", 1)))
                return y if given.get("bias") is None else y + given["bias"].reshape(-1, 1, 1)
        return func(*args, **kwargs)


@contextlib.contextmanager
def precision(dtype: torch.dtype) -> Iterator[None]:
    """Inside, PyTorch makes numbers of this type, and graphs are computed in it, groups as fast as others."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with _FastGroups():
            yield
    finally:
        torch.set_default_dtype(before)


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    first, *rest = (value,) if isinstance(value, int) else tuple(value)
    return first, rest[0] if rest else first


def evaluate(
    graph: ir.Graph,
    given: Mapping[str, Tensor],
    *,
    batch_statistics: Collection[str] = (),
    decide: Decide | None = None,
    otherwise: Otherwise | None = None,
) -> dict[str, Tensor]:
    """The outputs of `graph` by name.

    `given` are its inputs, and weights that are to be taken instead of its own initializers, which are float32.
    Batch norms whose running mean is named in `batch_statistics` use those, and move what `given` holds of their
    averages. A value is forgotten after its last use. An operator that PyTorch's tables lack is computed by
    `otherwise`; without it UnknownOperatorError is raised.
    """
    values = dict(given)
    readers = Counter(value.name for node in graph for value in node.inputs if value is not None)
    readers.update(output.name for output in graph.outputs)
    for node in graph:
        operands = [_read(value, values) for value in node.inputs if value is not None]
        if otherwise is None or is_known(node):
            results = _compute(node, operands, batch_statistics)
        else:
            results = otherwise(node, operands)
        del operands
        if decide is not None:
            results = decide(node, results)
        for value, result in zip(node.outputs, results, strict=False):
            if readers[value.name]:
                values[value.name or ""] = result
        for name in (value.name for value in node.inputs if value is not None):
            readers[name] -= 1
            if not readers[name]:
                values.pop(name or "", None)
    return {output.name or "": _read(output, values) for output in graph.outputs}


def _read(value: ir.Value, values: dict[str, Tensor]) -> Tensor:
    name = value.name or ""
    if name not in values:
        assert value.const_value is not None
        values[name] = as_tensor(value.const_value)
    return values[name]


def as_tensor(constant: ir.TensorProtocol) -> Tensor:
    """Its values, in the type in which graphs are computed."""
    return torch.tensor(constant.numpy(), dtype=torch_type(constant.dtype))


def is_known(node: ir.Node) -> bool:
    """Whether PyTorch's tables have its operator."""
    return node.op_type == "BatchNormalization" or node.op_type in KNOWN_OPERATORS


def _compute(node: ir.Node, operands: Operands, batch_statistics: Collection[str]) -> tuple[Tensor, ...]:
    if uses_auto_pad(node):
        raise TbftError(
            f"node '{node.name}' ({node.op_type}) leaves its padding to be found (auto_pad)",
            "export the model again with explicit pads",
        )
    found: Tensor | tuple[Tensor, ...]
    if node.op_type == "BatchNormalization":
        found = _batch_norm(node, operands, running_mean(node) in batch_statistics)
    elif is_known(node):
        found = KNOWN_OPERATORS[node.op_type](node, operands)
    else:
        raise UnknownOperatorError(
            f"operator {node.op_type} at node '{node.name}' cannot be compared with PyTorch",
            "give the torch module itself: `model` package.module:factory",
        )
    return found if isinstance(found, tuple) else (found,)


def _batch_norm(node: ir.Node, x: Operands, batch_statistics: bool) -> Tensor:
    image, gamma, beta, mean, variance = x
    # The graph has it as float32, and what it says is 0.1.
    momentum = round(1.0 - node.attributes.get_float("momentum", 0.9), 6)
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    return functional.batch_norm(image, mean, variance, gamma, beta, batch_statistics, momentum, epsilon)
