"""Write AveragePool with operators whose gradient works."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.behind import nodes_behind
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.operands import has_static_shape, ints, static_shape, uses_auto_pad
from tbft_export.lowerings.pooling import windows_tile


class RewriteAveragePoolPass(ir.passes.InPlacePass):
    """AveragePool behind a trained parameter -> Reshape + ReduceMean, or a constant depthwise Conv.

    ORT Training 1.19.2 crashes in `AveragePoolGrad` when the batch is symbolic.

    1. Windows that tile the image (stride = kernel, no padding, nothing cut off):
       `y[n, c, i, j] = mean over a, b of x.reshape(N, C, H/k, k, W/k, k)[n, c, i, a, j, b]`.
       With `keep_tiling` they stay: the gradient that ORT names for them has a lowering.
    2. Otherwise a depthwise Conv whose weights are 1 / (k_h * k_w). Where windows count fewer pixels than that, since
       they leave padding out of the mean or reach beyond it, one of ones, divided by how many each of them counts.

    Raises TbftError for windows of form 2 whose `auto_pad` is left to ONNX Runtime, and for what is no image of known
    size.
    """

    def __init__(self, trainable: Set[str], *, keep_tiling: bool = False) -> None:
        super().__init__()
        self.trainable = trainable
        self.keep_tiling = keep_tiling

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in nodes_behind(model.graph, self.trainable):
            if node.op_type == "AveragePool":
                modified |= _rewrite(node, self.keep_tiling)
        return ir.passes.PassResult(model, modified)


def _rewrite(node: ir.Node, keep_tiling: bool) -> bool:
    x = node.inputs[0]
    if not has_static_shape(x, 4):
        raise _refusal(node, "its input is not an image of known size", "use AvgPool2d on images of a fixed size")
    channels, height, width = static_shape(x, node, 4)
    kernel_h, kernel_w = node.attributes["kernel_shape"].as_ints()
    emit = Emitter(node)
    if windows_tile(node, (height, width)):  # Case 1
        if keep_tiling:
            return False
        rows, columns = height // kernel_h, width // kernel_w
        windows = emit.op("Reshape", x, [0, channels, rows, kernel_h, columns, kernel_w])
        emit.replace(emit.op("ReduceMean", windows, axes=[3, 5], keepdims=0))
        return True
    if uses_auto_pad(node):
        raise _refusal(node, "it uses auto_pad", "export the model with explicit padding")
    strides = ints(node, "strides", (1, 1))  # Case 2
    (top, bottom), per_row = _counted(node, height, 0)
    (left, right), per_column = _counted(node, width, 1)
    counted = np.outer(per_row, per_column)
    is_even = bool((counted == kernel_h * kernel_w).all())
    weight = 1 / (kernel_h * kernel_w) if is_even else 1.0
    y = emit.op(
        "Conv",
        x,
        np.full((channels, 1, kernel_h, kernel_w), weight, np.float32),
        group=channels,
        kernel_shape=[kernel_h, kernel_w],
        strides=strides,
        pads=[top, left, bottom, right],
    )
    # Whole numbers are exact in float32; their reciprocals are not, and PoolFormer subtracts what goes in.
    emit.replace(y if is_even else emit.op("Div", y, counted[None, None].astype(np.float32)))
    return True


def _counted(node: ir.Node, length: int, axis: int) -> tuple[tuple[int, int], np.ndarray]:
    """On one axis: the padding before and behind that all windows need, and how many pixels each of them counts."""
    pads = ints(node, "pads", (0, 0, 0, 0))
    begin, end = pads[axis], pads[axis + 2]
    kernel, stride = node.attributes["kernel_shape"].as_ints()[axis], ints(node, "strides", (1, 1))[axis]
    over = length + begin + end - kernel
    count = over // stride + 1
    if node.attributes.get_int("ceil_mode", 0) and over % stride and count * stride < length + begin:
        count += 1
    starts = np.arange(count) * stride - begin
    if node.attributes.get_int("count_include_pad", 0):
        first, last = -begin, length + end
    else:
        first, last = 0, length
    counted = np.minimum(starts + kernel, last) - np.maximum(starts, first)
    return (begin, max(end, int(starts[-1]) + kernel - length)), counted


def _refusal(node: ir.Node, reason: str, hint: str) -> TbftError:
    return TbftError(f"operator AveragePool at node '{node.name}' has no gradient here: {reason}", hint)
