"""Gradients of LayerNormalization, and of its form without a mean (RMSNorm)."""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.registry import lowers


@lowers("com.microsoft", "LayerNormalizationGrad")
def layer_normalization_grad(emit: Emitter) -> None:
    """dX = inv_std * (g - mean(g) - x^ * mean(g * x^)), g = dY * scale; dscale = sum dY * x^, dbias = sum dY.

    x^ = (X - mean) * inv_std; means over the axes from `axis` on, which are normalised, sums over those before.
    """
    dy, x, scale, mean, inverse_std = emit.node.inputs
    normal = emit.op("Mul", emit.op("Sub", x, mean), inverse_std)
    inner, outer = _axes(emit, x)
    dx: ir.Value | None = None
    if emit.is_needed(0):
        g = emit.op("Mul", dy, scale)
        centred = emit.op("Sub", g, emit.op("ReduceMean", g, axes=inner, keepdims=1))
        dx = _without_share(emit, centred, g, normal, inverse_std, inner)
    dscale = _sum_of_products(emit, dy, normal, outer) if emit.is_needed(1) else None
    dbias = emit.op("ReduceSum", dy, outer, keepdims=0) if emit.is_needed(2) else None
    emit.replace(dx, dscale, dbias)


@lowers("", "SimplifiedLayerNormalization")
def simplified_layer_normalization(emit: Emitter) -> None:
    """y = X * inv_std * scale, inv_std = 1 / sqrt(mean(X^2) + epsilon), over the axes from `axis` on.

    ORT makes one operator of an RMSNorm; it is none of the standard.
    """
    x, scale = emit.node.inputs
    inner, _ = _axes(emit, x)
    power = emit.op("ReduceMean", emit.op("Mul", x, x), axes=inner, keepdims=1)
    epsilon = emit.node.attributes.get_float("epsilon", 1e-5)
    inverse_std = emit.op("Reciprocal", emit.op("Sqrt", emit.op("Add", power, epsilon)))
    y = emit.op("Mul", emit.op("Mul", x, inverse_std), scale)
    emit.replace(*[y, inverse_std][: len(emit.node.outputs)])


@lowers("com.microsoft", "SimplifiedLayerNormalizationGrad")
def simplified_layer_normalization_grad(emit: Emitter) -> None:
    """dX = inv_std * (g - x^ * mean(g * x^)), g = dY * scale, x^ = X * inv_std; dscale = sum dY * x^.

    Means and sums as for LayerNormalization.
    """
    dy, x, scale, inverse_std = emit.node.inputs
    normal = emit.op("Mul", x, inverse_std)
    inner, outer = _axes(emit, x)
    dx: ir.Value | None = None
    if emit.is_needed(0):
        g = emit.op("Mul", dy, scale)
        dx = _without_share(emit, g, g, normal, inverse_std, inner)
    emit.replace(dx, _sum_of_products(emit, dy, normal, outer) if emit.is_needed(1) else None)


def _axes(emit: Emitter, x: ir.Value | None) -> tuple[list[int], list[int]]:
    """Those that are normalised, and those before."""
    if x is None or x.shape is None:
        raise ValueError(f"node '{emit.node.name}' normalises what is of unknown rank")
    rank = len(x.shape)
    axis = emit.node.attributes.get_int("axis", -1) % rank
    return list(range(axis, rank)), list(range(axis))


def _without_share(
    emit: Emitter, centred: ir.Value, g: ir.Value, normal: ir.Value, inverse_std: ir.Value | None, axes: list[int]
) -> ir.Value:
    """inv_std * (centred - x^ * mean(g * x^)): what of the gradient does not change the scale of X."""
    along = emit.op("ReduceMean", emit.op("Mul", g, normal), axes=axes, keepdims=1)
    return emit.op("Mul", emit.op("Sub", centred, emit.op("Mul", normal, along)), inverse_std)


def _sum_of_products(emit: Emitter, a: ir.Value | None, b: ir.Value, axes: list[int]) -> ir.Value:
    return emit.op("ReduceSum", emit.op("Mul", a, b), axes, keepdims=0)
