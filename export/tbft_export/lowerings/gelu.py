"""GELU, which ONNX Runtime makes one operator of, and its gradient."""

from __future__ import annotations

import math

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.registry import lowers


@lowers("com.microsoft", "Gelu")
def gelu(emit: Emitter) -> None:
    """y = x * P(x), P(x) = (1 + erf(x / sqrt 2)) / 2 being the normal distribution."""
    (x,) = emit.node.inputs
    emit.replace(emit.op("Mul", x, _distribution(emit, x)))


@lowers("com.microsoft", "GeluGrad")
def gelu_grad(emit: Emitter) -> None:
    """dX = dY * (P(x) + x * exp(-x^2 / 2) / sqrt(2 pi)); x is the input of GELU, P the normal distribution."""
    dy, x = emit.node.inputs
    density = emit.op("Exp", emit.op("Mul", emit.op("Mul", x, x), -0.5))
    weighted = emit.op("Mul", emit.op("Mul", x, density), 1 / math.sqrt(2 * math.pi))
    emit.replace(emit.op("Mul", dy, emit.op("Add", _distribution(emit, x), weighted)))


def _distribution(emit: Emitter, x: ir.Value | None) -> ir.Value:
    """(1 + erf(x / sqrt 2)) / 2, the same nodes forward and backward, so that they are computed once."""
    erf = emit.op("Erf", emit.op("Mul", x, 1 / math.sqrt(2)))
    return emit.op("Mul", emit.op("Add", erf, 1.0), 0.5)
