"""Operators of the gradient graph that move, split or scale tensors."""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.registry import lowers


@lowers("com.microsoft", "Scale")
def scale(emit: Emitter) -> None:
    """Y = X / s if scale_down else X * s; s is a scalar of any numeric type."""
    x, factor = emit.node.inputs
    down = emit.node.attributes.get_int("scale_down", 0) == 1
    emit.replace(emit.op("Div" if down else "Mul", x, emit.cast(factor, ir.DataType.FLOAT)))


@lowers("com.microsoft", "ConcatTraining")
def concat_training(emit: Emitter) -> None:
    """Y = Concat(X...) on `axis`; the second output, each input's length on that axis, for the gradient."""
    axis = emit.node.attributes.get_int("axis", 0)
    lengths = [emit.op("Gather", emit.op("Shape", value), [axis]) for value in emit.node.inputs]
    emit.replace(emit.op("Concat", *emit.node.inputs, axis=axis), emit.op("Concat", *lengths, axis=0))


@lowers("com.microsoft", "SplitTraining")
def split_training(emit: Emitter) -> None:
    """Y... = Split(X, lengths) on `axis`, the gradient of Concat."""
    x, lengths = emit.node.inputs
    axis = emit.node.attributes.get_int("axis", 0)
    emit.replace(*emit.ops("Split", len(emit.node.outputs), x, lengths, axis=axis))
