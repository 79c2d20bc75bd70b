"""Matrix products as ONNX Runtime Training writes them."""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.registry import lowers


@lowers("com.microsoft", "FusedMatMul")
def fused_matmul(emit: Emitter) -> None:
    """Y = alpha * A' B', where ' swaps the last two axes (transA, transB) of matrices in a batch.

    With `transBatchA` or `transBatchB` the axis of the rows goes ahead of the batch's. Raises ValueError for a
    transposed operand of unknown rank.
    """
    a, b = (_turned(emit, value, side) for value, side in zip(emit.node.inputs, "AB", strict=True))
    alpha = emit.node.attributes.get_float("alpha", 1.0)
    product = emit.op("MatMul", a, b)
    emit.replace(product if alpha == 1 else emit.op("Mul", product, alpha))


def _turned(emit: Emitter, value: ir.Value | None, side: str) -> ir.Value | None:
    attributes = emit.node.attributes
    swaps, moves = (bool(attributes.get_int(f"{kind}{side}", 0)) for kind in ("trans", "transBatch"))
    if not swaps and not moves:
        return value
    if value is None or value.shape is None:
        raise ValueError(f"node '{emit.node.name}' transposes an operand of unknown rank")
    order = list(range(len(value.shape)))
    if len(order) < 2:
        return value
    if moves:
        order = [*order[1:-1], order[0], order[-1]]
    if swaps:
        order[-2:] = order[:-3:-1]
    return emit.op("Transpose", value, perm=order)
