"""Batch norm with batch statistics: forward and gradient."""

from __future__ import annotations

import numpy as np

from tbft_export.batch_statistics import count_per_channel, normalize_with_batch_statistics, reduce_axes
from tbft_export.emitter import Emitter, static_shape
from tbft_export.lowerings.registry import lowers


@lowers("com.microsoft", "BatchNormInternal")
def batch_norm_internal(emit: Emitter) -> None:
    """y = (x - mean(x)) * gamma / sqrt(var(x) + epsilon) + beta, over the batch and the image.

    x (N, C, H, W), gamma, beta (C,). The batch's mean and unbiased variance become graph outputs.
    Outputs 4 and 5, mean and inverse standard deviation, only feed BatchNormalizationGrad; here they
    are shaped (1, C, 1, 1). The running averages (outputs 2 and 3) are left to who runs the graph:
    ORT's own would use the biased variance.
    """
    y, statistics = normalize_with_batch_statistics(emit)
    emit.replace(y, None, None, statistics.mean, statistics.inverse_std)


@lowers("com.microsoft", "BatchNormalizationGrad")
def batch_normalization_grad(emit: Emitter) -> None:
    """dX = gamma * r * (dY - mean(dY) - (x - mean) * r^2 * mean(dY * (x - mean))), r = 1 / std.

        dbeta = sum dY;  dgamma = r * sum(dY * (x - mean))

    Sums and means run over the batch and the image. dY, x (N, C, H, W); gamma (C,); mean, r as they
    come from BatchNormInternal above. Written as dY * a + (x - mean) * b + c with a, b, c per channel.
    """
    dy, x, gamma, mean, inverse_std = emit.node.inputs
    rank = len(x.shape) if x is not None and x.shape is not None else 4
    channels = static_shape(x, emit.node, rank)[0]
    axes = np.array(reduce_axes(rank), np.int64)
    per_channel = np.array([1, channels] + [1] * (rank - 2), np.int64)
    flat = np.array([channels], np.int64)

    centered = emit.op("Sub", x, mean)
    sum_dy = emit.op("ReduceSum", dy, axes, keepdims=1)
    sum_dy_centered = emit.op("ReduceSum", emit.op("Mul", dy, centered), axes, keepdims=1)
    count = count_per_channel(emit, x, channels)

    a = emit.op("Mul", emit.op("Reshape", gamma, per_channel), inverse_std)
    inverse_variance = emit.op("Mul", inverse_std, inverse_std)
    mean_dy_centered = emit.op("Div", sum_dy_centered, count)
    b = emit.op("Neg", emit.op("Mul", a, emit.op("Mul", inverse_variance, mean_dy_centered)))
    c = emit.op("Neg", emit.op("Mul", a, emit.op("Div", sum_dy, count)))
    dx = emit.op("Add", emit.op("Add", emit.op("Mul", dy, a), emit.op("Mul", centered, b)), c)
    dgamma = emit.op("Reshape", emit.op("Mul", sum_dy_centered, inverse_std), flat)
    emit.replace(dx, dgamma, emit.op("Reshape", sum_dy, flat))
