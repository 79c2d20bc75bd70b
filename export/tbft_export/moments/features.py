"""Forward graph -> the graph that also says what the last layer reads, and how the channels of one norm are."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import LOGITS, is_inside
from tbft_artifacts.source import CHANNEL_MEANS, CHANNEL_VARIANCES, LAST_FEATURES
from tbft_export.blocks.find import find_blocks
from tbft_export.blocks.layers import trainable_parameters
from tbft_export.graph.builder import GraphBuilder
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.linear_head import LastLayer
from tbft_export.graph.nodes import NodeWriter
from tbft_export.graph.subgraph import image_shape, value_named

# Drift of the input has passed the first layers there, and classes are not told apart yet.
_STAGE = 1
_FIRST_PIXELS = 2


@dataclass(frozen=True)
class FeaturesModel:
    """Images -> features, logits and, with a `norm`, named by its running mean, means and variances of its input."""

    model: ir.Model
    norm: str | None
    channels: int


def features_model(forward: ForwardModel, last: LastLayer) -> FeaturesModel:
    """The graph of a network that ends in the linear layer `last`."""
    model = forward.model.clone()
    build = GraphBuilder(model.graph)
    logits = model.graph.outputs[0]
    outputs = {LAST_FEATURES: value_named(model.graph, last.features.name or ""), LOGITS: logits}
    node = _described_norm(forward)
    if node is None:
        return FeaturesModel(build.finish(outputs), None, 0)
    entering = node.inputs[0]
    assert entering is not None
    outputs |= _of_channels(build.at("channels"), value_named(model.graph, entering.name or ""))
    mean = node.inputs[3]
    assert mean is not None
    return FeaturesModel(build.finish(outputs), mean.name, image_shape(entering)[0])


def _of_channels(emit: NodeWriter, x: ir.Value) -> dict[str, ir.Value]:
    """Mean and biased variance over the pixels of each channel of x (N, C, ...): (N, C) each.

    variance = mean of (x - mean)^2, which float32 takes better than mean of x^2 - mean^2.
    """
    pixels = list(range(_FIRST_PIXELS, _FIRST_PIXELS + len(image_shape(x)[1:])))
    mean = emit.op("ReduceMean", x, axes=pixels, keepdims=1)
    deviation = emit.op("Sub", x, mean)
    variance = emit.op("ReduceMean", emit.op("Mul", deviation, deviation), axes=pixels, keepdims=0)
    return {CHANNEL_MEANS: emit.op("Flatten", mean, axis=1), CHANNEL_VARIANCES: variance}


def _described_norm(forward: ForwardModel) -> ir.Node | None:
    """The first batch norm of the second stage; None without one, or where it norms what has no pixels."""
    try:
        stages = find_blocks(
            forward.graph, trainable_parameters(forward.graph, forward.trainable), forward.fixed
        ).stages
    except TbftError:
        return None
    if len(stages) <= _STAGE:
        return None
    for node in forward.graph:
        scale = node.inputs[1] if node.op_type == "BatchNormalization" else None
        entering = node.inputs[0]
        if scale is None or entering is None or not image_shape(entering)[1:]:
            continue
        if any(is_inside(scale.name or "", name) for name in stages[_STAGE]):
            return node
    return None
