"""Gradients of arithmetic whose operands are broadcast to each other."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.registry import lowers


@lowers("com.microsoft", "DivGrad")
def div_grad(emit: Emitter) -> None:
    """dA = dY / B, dB = -dY / B * A / B of Y = A / B, each summed over the axes along which it was repeated.

    Refuses operands of unknown rank.
    """
    dy, a, b = emit.node.inputs
    part = emit.op("Div", dy, b)
    da = _summed(emit, part, a, b) if emit.is_needed(0) else None
    db = None
    if emit.is_needed(1):
        # The sum first: B is often one number for many of A.
        total = _summed(emit, emit.op("Mul", part, a), b, a)
        db = emit.op("Neg", emit.op("Div", total, b))
    emit.replace(da, db)


def _summed(emit: Emitter, gradient: ir.Value, operand: ir.Value | None, other: ir.Value | None) -> ir.Value:
    """`gradient`, of the shape to which `operand` and `other` are broadcast, as one of the shape of `operand`."""
    if operand is None or other is None or operand.shape is None or other.shape is None:
        raise TbftError(
            f"operator {emit.node.op_type} at node '{emit.node.name}' has operands of unknown rank",
            "write the layer with sizes that do not depend on the image, or train a block behind it",
        )
    rank = max(len(operand.shape), len(other.shape))
    own = [1] * (rank - len(operand.shape)) + list(operand.shape)
    wide = [1] * (rank - len(other.shape)) + list(other.shape)
    axes = [axis for axis in range(rank) if own[axis] == 1 and wide[axis] != 1]
    if axes:
        gradient = emit.op("ReduceSum", gradient, axes, keepdims=1)
    missing = list(range(rank - len(operand.shape)))
    return emit.op("Squeeze", gradient, missing) if missing else gradient
