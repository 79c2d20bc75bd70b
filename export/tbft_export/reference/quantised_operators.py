"""Rounding of activations to integers and back, computed by PyTorch: the table `QUANTISED`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir
import torch
from torch import Tensor

from tbft_export.graph.operands import constant_input

_RANGES = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767)}


def _quantise(node: ir.Node, x: list[Tensor]) -> Tensor:
    """clip(round(x / scale) + zero, of the type of `zero`, or uint8); halves are rounded to even numbers."""
    zero = constant_input(node, 2)
    least, largest = _RANGES["uint8" if zero is None else str(zero.dtype)]
    shift = _along(node, x[0], x[2]) if len(x) > 2 else torch.zeros(())
    return torch.clamp(torch.round(x[0] / _along(node, x[0], x[1])) + shift, least, largest)


def _dequantise(node: ir.Node, x: list[Tensor]) -> Tensor:
    """(x - zero) * scale."""
    scale = _along(node, x[0], x[1])
    shift = _along(node, x[0], x[2]).to(scale.dtype) if len(x) > 2 else torch.zeros(())
    return (x[0].to(scale.dtype) - shift) * scale


def _along(node: ir.Node, x: Tensor, values: Tensor) -> Tensor:
    """A number for all, or one for each place on the node's axis."""
    if values.numel() == 1:
        return values.reshape(())
    shape = [1] * x.dim()
    shape[node.attributes.get_int("axis", 1)] = -1
    return values.reshape(shape)


QUANTISED: Mapping[str, Callable[[ir.Node, list[Tensor]], Tensor]] = {
    "DequantizeLinear": _dequantise,
    "QuantizeLinear": _quantise,
}
