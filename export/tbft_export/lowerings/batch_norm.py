"""Batch norm with batch statistics: forward and gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.names import BATCH_SUFFIX
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.operands import has_static_shape, static_shape
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
    come from BatchNormInternal above. Written as dY * a - ((x - mean) * b + c) with a, b, c per channel:

        a = gamma * r;  b = a / M * r^2 * sum(dY * (x - mean));  c = a / M * sum dY,  over M values per channel
    """
    dy, x, gamma, mean, inverse_std = emit.node.inputs
    rank = len(x.shape) if x is not None and x.shape is not None else 4
    channels = static_shape(x, emit.node, rank)[0]
    axes = reduce_axes(rank)
    per_channel = [1, channels] + [1] * (rank - 2)
    flat = [channels]

    centered = emit.op("Sub", x, mean)
    sum_dy = emit.op("ReduceSum", dy, axes, keepdims=1)
    sum_dy_centered = emit.op("ReduceSum", emit.op("Mul", dy, centered), axes, keepdims=1)
    count = count_per_channel(emit, x, channels)

    a = emit.op("Mul", emit.op("Reshape", gamma, per_channel), inverse_std)
    share = emit.op("Div", a, count)
    b = emit.op("Mul", emit.op("Mul", share, emit.op("Mul", inverse_std, inverse_std)), sum_dy_centered)
    c = emit.op("Mul", share, sum_dy)
    dx = emit.op("Sub", emit.op("Mul", dy, a), emit.op("Add", emit.op("Mul", centered, b), c))
    dgamma = emit.op("Reshape", emit.op("Mul", sum_dy_centered, inverse_std), flat)
    emit.replace(dx, dgamma, emit.op("Reshape", sum_dy, flat))


@dataclass(frozen=True)
class BatchStatistics:
    """Per channel, shaped (1, C, 1, 1): mean, biased variance, 1 / standard deviation; `centered` is x - mean."""

    mean: ir.Value
    variance: ir.Value
    inverse_std: ir.Value
    centered: ir.Value


def reduce_axes(rank: int) -> list[int]:
    """Every axis but the channels."""
    return [0, *range(2, rank)]


def count_per_channel(emit: Emitter, x: ir.Value | None, channels: int) -> ir.Value:
    """How many values each channel of `x` holds: N * H * W, as a float scalar.

    Where images are the batch's own, norms of the same size have it from the same nodes.
    """
    if x is not None and x.shape is not None and has_static_shape(x, len(x.shape)):
        values = math.prod(static_shape(x, emit.node, len(x.shape))[1:])
        for batch in emit.graph.inputs:
            if batch.shape and isinstance(batch.shape[0], ir.SymbolicDim) and batch.shape[0] == x.shape[0]:
                images = emit.op("Squeeze", emit.cast(emit.op("Shape", batch, start=0, end=1), ir.DataType.FLOAT))
                return emit.op("Mul", images, float(values))
    return emit.op("Div", emit.cast(emit.op("Size", x), ir.DataType.FLOAT), float(channels))


def normalize_with_own_statistics(emit: Emitter, rank: int) -> tuple[ir.Value, BatchStatistics]:
    """Write a BatchNormalization-like node (x, gamma, beta, ...) with the statistics of x itself.

        mean = mean(x);  var = mean((x - mean)^2);  y = (x - mean) * gamma / sqrt(var + epsilon) + beta

    x (N, C, ...) has `rank` axes.
    """
    x, gamma, beta = emit.node.inputs[:3]
    axes = reduce_axes(rank)
    per_channel = [1, -1] + [1] * (rank - 2)
    epsilon = emit.node.attributes.get_float("epsilon", 1e-5)

    mean = emit.op("ReduceMean", x, axes=axes, keepdims=1)
    centered = emit.op("Sub", x, mean)
    variance = emit.op("ReduceMean", emit.op("Mul", centered, centered), axes=axes, keepdims=1)
    inverse_std = emit.op("Reciprocal", emit.op("Sqrt", emit.op("Add", variance, epsilon)))
    scale = emit.op("Mul", emit.op("Reshape", gamma, per_channel), inverse_std)
    y = emit.op("Add", emit.op("Mul", centered, scale), emit.op("Reshape", beta, per_channel))
    return y, BatchStatistics(mean, variance, inverse_std, centered)


def normalize_with_batch_statistics(emit: Emitter) -> tuple[ir.Value, BatchStatistics]:
    """Lower a BatchNormalization-like node (x, gamma, beta, running mean, running var).

    The biased variance normalises; the unbiased one, var * M / (M - 1) over M values per channel,
    belongs into the running average (torch.nn.BatchNorm2d). Mean and unbiased variance become graph
    outputs named `<running statistic>.batch`, shaped (C,); who runs the graph averages them.
    """
    x, _, _, running_mean, running_variance = emit.node.inputs[:5]
    if x is None or x.shape is None or running_mean is None or running_variance is None:
        raise ValueError(f"node '{emit.node.name}' ({emit.node.op_type}) needs the shape of its input")
    channels = x.shape[1]
    assert isinstance(channels, int)
    y, statistics = normalize_with_own_statistics(emit, len(x.shape))
    count = count_per_channel(emit, x, channels)
    correction = emit.op("Div", count, emit.op("Sub", count, 1.0))
    flat = [channels]
    unbiased = emit.op("Reshape", emit.op("Mul", statistics.variance, correction), flat)
    _add_output(emit.graph, emit.op("Reshape", statistics.mean, flat), f"{running_mean.name}{BATCH_SUFFIX}", channels)
    _add_output(emit.graph, unbiased, f"{running_variance.name}{BATCH_SUFFIX}", channels)
    return y, statistics


def _add_output(graph: ir.Graph, value: ir.Value, name: str, channels: int) -> None:
    value.name = name
    value.shape = ir.Shape([channels])
    value.dtype = ir.DataType.FLOAT
    graph.outputs.append(value)
