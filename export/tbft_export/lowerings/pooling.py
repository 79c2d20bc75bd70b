"""Gradients of pooling."""

from __future__ import annotations

import numpy as np

from tbft_export.emitter import Emitter, static_shape
from tbft_export.lowerings.registry import lowers


@lowers("", "MaxPoolGrad")
def max_pool_grad(emit: Emitter) -> None:
    """dX = zeros(X.shape).flat; dX[indices] += dY, where indices are those that MaxPool returned.

    dY, indices (N, C, Ho, Wo) -> dX (N, C, H, W). ONNX numbers the indices over the whole flat input,
    so one ScatterElements with `reduction = add` handles overlapping windows.
    """
    dy, indices = emit.node.inputs
    channels, height, width = static_shape(emit.node.outputs[0], emit.node, 4)
    batch = emit.op("Shape", dy, start=0, end=1)
    elements = emit.op("Mul", batch, np.array([channels * height * width], np.int64))
    zeros = emit.op("ConstantOfShape", elements)
    flat = np.array([-1], np.int64)
    scattered = emit.op(
        "ScatterElements",
        zeros,
        emit.op("Reshape", indices, flat),
        emit.op("Reshape", dy, flat),
        axis=0,
        reduction="add",
    )
    emit.replace(emit.op("Reshape", scattered, np.array([-1, channels, height, width], np.int64)))
