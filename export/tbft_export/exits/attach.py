"""Forward graph + depths + heads -> the network with an exit at each depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tbft_artifacts.names import LOGITS
from tbft_export.exits.depths import Depth
from tbft_export.exits.heads import Head, Scaling, own_head
from tbft_export.graph.builder import GraphBuilder
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.nodes import initializer
from tbft_export.graph.subgraph import image_shape, value_named

FEATURES = "features"
# Each activation is averaged over at most so many windows a side, and fewer where that makes more features.
LARGEST_GRID = 4
MOST_FEATURES = 1024


@dataclass(frozen=True)
class EarlyExit:
    """An exit ahead of the last one: where it stands, and what it computes of its features."""

    depth: Depth
    scaling: Scaling
    head: Head


def exit_weight(number: int) -> str:
    """The parameter (classes, F_n) of an exit."""
    return f"exits.{number}.weight"


def exit_bias(number: int) -> str:
    """The parameter (classes,) of an exit."""
    return f"exits.{number}.bias"


def attach_exits(forward: ForwardModel, early: Sequence[EarlyExit]) -> ForwardModel:
    """Images (batch, C, H, W) -> `logits` (batch, E, classes) of all exits, by way of `features` (batch, F).

    The `early` exits come in the order of the graph. The last exit stands where the model's own head does, and begins
    as a copy of it. `features` are what all exits read, behind each other; each exit is linear in its own. Parameters
    are `exits.<n>.weight` and `exits.<n>.bias`; those of the model's own head are not in the graph.
    Raises TbftError for a network that does not end in a linear layer.
    """
    own = own_head(forward)
    heads = [*(each.head for each in early), own.head]
    model = forward.model.clone()
    graph = model.graph
    build = GraphBuilder(graph)
    parts = exit_features(build, early, own.features.name or "")
    logits = [
        build.at(f"exits.{number}").op("Unsqueeze", linear(build, number, part, head), [1])
        for number, (part, head) in enumerate(zip(split(build, join(build, parts), heads), heads, strict=True))
    ]
    graph.outputs[0].name = f"{LOGITS}/own"
    model = build.finish({LOGITS: build.at("exits").op("Concat", *logits, axis=1)})
    known = forward.weights | {
        name for number in range(len(heads)) for name in (exit_weight(number), exit_bias(number))
    }
    return ForwardModel(model, frozenset(name for name in graph.initializers if name in known))


def pooled_model(forward: ForwardModel, activations: Sequence[str]) -> ir.Model:
    """Images -> what exits behind `activations` read, not scaled yet, (batch, F_n) each; `features`, which the model's
    own head reads; and its own `logits`.
    """
    own = own_head(forward)
    model = forward.model.clone()
    build = GraphBuilder(model.graph)
    pooled = [
        pool(build, number, value_named(model.graph, activation)) for number, activation in enumerate(activations)
    ]
    outputs = {f"exits.{number}": value for number, value in enumerate(pooled)}
    outputs |= {FEATURES: value_named(model.graph, own.features.name or ""), LOGITS: model.graph.outputs[0]}
    return build.finish(outputs)


def exit_features(build: GraphBuilder, early: Sequence[EarlyExit], own: str) -> list[ir.Value]:
    """What each exit reads (batch, F_n); the last one what the model's own head reads, named `own`."""
    parts = []
    for number, each in enumerate(early):
        pooled = pool(build, number, value_named(build.graph, each.depth.activation))
        emit = build.at(f"exits.{number}")
        parts.append(emit.op("Mul", emit.op("Sub", pooled, each.scaling.shift), each.scaling.scale))
    return [*parts, value_named(build.graph, own)]


def pool(build: GraphBuilder, number: int, image: ir.Value) -> ir.Value:
    """Average an activation (batch, C, H, W) over windows of a grid: (batch, features).

    Of an activation that is not rectified, the positive and the negative part are averaged apart, since a mean over
    both says little of either. Of n pixels a side, g windows are n - (g - 1) * (n // g) pixels long, each n // g
    behind the one before, so that they cover every pixel.
    """
    emit = build.at(f"exits.{number}")
    channels, *sides = image_shape(image)
    if not _is_rectified(image):
        negative = emit.op("Relu", emit.op("Neg", image))
        image, channels = emit.op("Concat", emit.op("Relu", image), negative, axis=1), 2 * channels
    grid = max(size for size in range(1, LARGEST_GRID + 1) if size == 1 or channels * size**2 <= MOST_FEATURES)
    counts = [min(grid, side) for side in sides]
    strides = [side // count for side, count in zip(sides, counts, strict=True)]
    windows = [side - (count - 1) * step for side, count, step in zip(sides, counts, strides, strict=True)]
    means = emit.op("AveragePool", image, kernel_shape=windows, strides=strides)
    return emit.op("Flatten", means, axis=1)


def join(build: GraphBuilder, parts: Sequence[ir.Value]) -> ir.Value:
    """The features of all exits behind each other, named `features`."""
    features = build.at("exits").op("Concat", *parts, axis=1)
    features.name = FEATURES
    return features


def split(build: GraphBuilder, features: ir.Value, heads: Sequence[Head]) -> list[ir.Value]:
    """The features of each exit (batch, F_n), from those of all."""
    ends = np.cumsum([head.weight.shape[1] for head in heads])
    starts = [0, *ends[:-1]]
    return [
        build.at(f"exits.{number}").op("Slice", features, [start], [end], [1])
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def linear(build: GraphBuilder, number: int, features: ir.Value, head: Head) -> ir.Value:
    """Logits (batch, classes) of an exit, its parameters as weights of the graph."""
    weight = initializer(build.graph, exit_weight(number), head.weight)
    bias = initializer(build.graph, exit_bias(number), head.bias)
    return build.at(f"exits.{number}").op("Gemm", features, weight, bias, transB=1)


def _is_rectified(image: ir.Value | None) -> bool:
    """Whether no value can be below 0."""
    producer = None if image is None else image.producer()
    if producer is not None and producer.op_type == "MaxPool":
        return _is_rectified(producer.inputs[0])
    return producer is not None and producer.op_type == "Relu"
