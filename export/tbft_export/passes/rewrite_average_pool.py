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
    2. Otherwise a depthwise Conv whose weights are 1 / (k_h * k_w); padding must count as zeros.

    Raises TbftError for windows of form 2 that leave padding out of the mean, round up or use `auto_pad`, and
    for what is no image of known size.
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
    strides = ints(node, "strides", (1, 1))
    pads = ints(node, "pads", (0, 0, 0, 0))
    include_pad = node.attributes.get_int("count_include_pad", 0)  # Case 2
    rounds_up = node.attributes.get_int("ceil_mode", 0)
    if (any(pads) and not include_pad) or rounds_up:
        reason = "its windows leave padding out of the mean, or its output size is rounded up"
        raise _refusal(node, reason, "use AvgPool2d(..., count_include_pad=True, ceil_mode=False)")
    if uses_auto_pad(node):
        raise _refusal(node, "it uses auto_pad", "export the model with explicit padding")
    mean = np.full((channels, 1, kernel_h, kernel_w), 1.0 / (kernel_h * kernel_w), np.float32)
    emit.replace(
        emit.op("Conv", x, mean, group=channels, kernel_shape=[kernel_h, kernel_w], strides=strides, pads=pads)
    )
    return True


def _refusal(node: ir.Node, reason: str, hint: str) -> TbftError:
    return TbftError(f"operator AveragePool at node '{node.name}' has no gradient here: {reason}", hint)
