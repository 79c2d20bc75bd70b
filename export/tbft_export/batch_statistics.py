"""Batch norm with the statistics of the batch, as PyTorch computes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tbft_artifacts.manifest import BATCH_SUFFIX
from tbft_export.emitter import Emitter


@dataclass(frozen=True)
class BatchStatistics:
    """Per channel, shaped (1, C, 1, 1): mean, inverse standard deviation; `centered` is x - mean."""

    mean: ir.Value
    inverse_std: ir.Value
    centered: ir.Value


def reduce_axes(rank: int) -> list[int]:
    """Every axis but the channels."""
    return [0, *range(2, rank)]


def count_per_channel(emit: Emitter, x: ir.Value | None, channels: int) -> ir.Value:
    """How many values each channel of `x` holds: N * H * W, as a float scalar."""
    size = emit.op("Cast", emit.op("Size", x), to=int(ir.DataType.FLOAT))
    return emit.op("Div", size, np.array(channels, np.float32))


def normalize_with_batch_statistics(emit: Emitter) -> tuple[ir.Value, BatchStatistics]:
    """Lower a BatchNormalization-like node (x, gamma, beta, running mean, running var).

        mean = mean(x);  var = mean((x - mean)^2);  y = (x - mean) * gamma / sqrt(var + epsilon) + beta

    The biased variance normalises; the unbiased one, var * M / (M - 1) over M values per channel,
    belongs into the running average (torch.nn.BatchNorm2d). Mean and unbiased variance become graph
    outputs named `<running statistic>.batch`, shaped (C,); who runs the graph averages them.
    """
    x, gamma, beta, running_mean, running_variance = emit.node.inputs[:5]
    if x is None or x.shape is None or running_mean is None or running_variance is None:
        raise ValueError(f"node '{emit.node.name}' ({emit.node.op_type}) needs the shape of its input")
    channels = x.shape[1]
    assert isinstance(channels, int)
    axes = reduce_axes(len(x.shape))
    per_channel = np.array([1, channels] + [1] * (len(x.shape) - 2), np.int64)
    epsilon = np.array(emit.node.attributes.get_float("epsilon", 1e-5), np.float32)

    mean = emit.op("ReduceMean", x, axes=axes, keepdims=1)
    centered = emit.op("Sub", x, mean)
    variance = emit.op("ReduceMean", emit.op("Mul", centered, centered), axes=axes, keepdims=1)
    inverse_std = emit.op("Reciprocal", emit.op("Sqrt", emit.op("Add", variance, epsilon)))
    scale = emit.op("Mul", emit.op("Reshape", gamma, per_channel), inverse_std)
    y = emit.op("Add", emit.op("Mul", centered, scale), emit.op("Reshape", beta, per_channel))

    count = count_per_channel(emit, x, channels)
    correction = emit.op("Div", count, emit.op("Sub", count, np.array(1, np.float32)))
    flat = np.array([channels], np.int64)
    unbiased = emit.op("Reshape", emit.op("Mul", variance, correction), flat)
    _add_output(emit.graph, emit.op("Reshape", mean, flat), f"{running_mean.name}{BATCH_SUFFIX}", channels)
    _add_output(emit.graph, unbiased, f"{running_variance.name}{BATCH_SUFFIX}", channels)
    return y, BatchStatistics(mean, inverse_std, centered)


def _add_output(graph: ir.Graph, value: ir.Value, name: str, channels: int) -> None:
    value.name = name
    value.shape = ir.Shape([channels])
    value.dtype = ir.DataType.FLOAT
    graph.outputs.append(value)
