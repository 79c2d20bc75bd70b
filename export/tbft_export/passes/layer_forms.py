"""Layers written so that ONNX Runtime Training can differentiate them, one function per operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.graph.operands import ints
from tbft_export.graph.refusal import refusal
from tbft_export.passes.einsum_form import einsum

_OTHERWISE = "write the layer with sizes that are known"


def _layer_norm(emit: Emitter) -> None:
    """The same LayerNormalization with a bias and all its outputs: ORT's gradient reads the mean and 1 / std."""
    node = emit.node
    x, scale = node.inputs[:2]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is None:
        bias = emit.constant(np.zeros(_known_shape(emit, scale), np.float32))
    attributes = {name: value for name, value in node.attributes.items() if name != "stash_type"}
    normal = emit.write("LayerNormalization", [x, scale, bias], attributes.values(), results=3)
    emit.replace(*normal.outputs[: len(node.outputs)])


def _instance_norm(emit: Emitter) -> None:
    """y = (x - m) / sqrt(mean((x - m)^2) + epsilon) * scale + bias, m and mean over the pixels of each channel."""
    x, scale, bias = emit.node.inputs
    rank = _rank(emit, x)
    pixels, per_channel = list(range(2, rank)), [1, -1] + [1] * (rank - 2)
    centred = emit.op("Sub", x, emit.op("ReduceMean", x, axes=pixels, keepdims=1))
    variance = emit.op("ReduceMean", emit.op("Mul", centred, centred), axes=pixels, keepdims=1)
    epsilon = emit.node.attributes.get_float("epsilon", 1e-5)
    inverse_std = emit.op("Reciprocal", emit.op("Sqrt", emit.op("Add", variance, epsilon)))
    scaled = emit.op("Mul", emit.op("Mul", centred, inverse_std), emit.op("Reshape", scale, per_channel))
    emit.replace(emit.op("Add", scaled, emit.op("Reshape", bias, per_channel)))


def _prelu(emit: Emitter) -> None:
    """y = relu(x) + slope * (x - relu(x)). At 0 its gradient is the slope, as in PyTorch."""
    x, slope = emit.node.inputs
    above = emit.op("Relu", x)
    emit.replace(emit.op("Add", above, emit.op("Mul", emit.op("Sub", x, above), slope)))


def _extreme(emit: Emitter) -> None:
    """The mean of the elements that are as large (ReduceMax) or as small (ReduceMin) as the extreme one.

    The gradient goes to them in equal parts, as in PyTorch's amax and amin.
    """
    x = emit.node.inputs[0]
    axes = _axes(emit, x)
    extreme = emit.op(emit.node.op_type, x, axes=axes, keepdims=1)
    share = emit.cast(emit.op("Equal", x, extreme), ir.DataType.FLOAT)
    count = emit.op("ReduceSum", share, axes, keepdims=1)
    total = emit.op("ReduceSum", emit.op("Where", emit.op("Equal", x, extreme), x, 0.0), axes, keepdims=1)
    mean = emit.op("Div", total, count)
    emit.replace(mean if _keeps(emit) else emit.op("Squeeze", mean, axes))


def _sum_of_magnitudes(emit: Emitter) -> None:
    """ReduceL1: y = sum |x|."""
    x = emit.node.inputs[0]
    emit.replace(emit.op("ReduceSum", emit.op("Abs", x), _axes(emit, x), keepdims=_keeps(emit)))


def _sum_of_squares(emit: Emitter) -> None:
    """ReduceSumSquare: y = sum x * x."""
    x = emit.node.inputs[0]
    emit.replace(emit.op("ReduceSum", emit.op("Mul", x, x), _axes(emit, x), keepdims=_keeps(emit)))


def _lp_normalization(emit: Emitter) -> None:
    """y = x / |x| along `axis`, |x| = sum |x| (p = 1) or sqrt(sum x^2) (p = 2); zeros stay zeros, as in ORT."""
    x = emit.node.inputs[0]
    axes = [emit.node.attributes.get_int("axis", -1)]
    is_sum = emit.node.attributes.get_int("p", 2) == 1
    total = emit.op("ReduceSum", emit.op("Abs", x) if is_sum else emit.op("Mul", x, x), axes, keepdims=1)
    # Ahead of the root, whose slope at 0 is infinite.
    total = emit.op("Where", emit.op("Equal", total, 0.0), 1.0, total)
    emit.replace(emit.op("Div", x, total if is_sum else emit.op("Sqrt", total)))


def _keeps(emit: Emitter) -> int:
    return emit.node.attributes.get_int("keepdims", 1)


def _axes(emit: Emitter, x: ir.Value | None) -> list[int]:
    rank = _rank(emit, x)
    return [axis % rank for axis in ints(emit.node, "axes", range(rank))]


def _sum(emit: Emitter) -> None:
    """One Add after the other."""
    first, *others = emit.node.inputs
    total = emit.op("Identity", first)
    for other in others:
        total = emit.op("Add", total, other)
    if emit.node.op_type == "Mean":
        total = emit.op("Mul", total, 1 / len(emit.node.inputs))
    emit.replace(total)


def _rank(emit: Emitter, x: ir.Value | None) -> int:
    if x is None or x.shape is None:
        raise refusal(emit.node, "has no gradient here: its input is of unknown rank", _OTHERWISE)
    return len(x.shape)


def _known_shape(emit: Emitter, value: ir.Value | None) -> list[int]:
    if value is None or value.shape is None or not value.shape.is_static():
        raise refusal(emit.node, "has no gradient here: its scale is of unknown size", _OTHERWISE)
    return [int(size) for size in value.shape]  # type: ignore[arg-type]


LAYER_FORMS: Mapping[str, Callable[[Emitter], None]] = {
    "Einsum": einsum,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LpNormalization": _lp_normalization,
    "Mean": _sum,
    "PRelu": _prelu,
    "ReduceL1": _sum_of_magnitudes,
    "ReduceMax": _extreme,
    "ReduceMin": _extreme,
    "ReduceSumSquare": _sum_of_squares,
    "Sum": _sum,
}
