"""The network from exit to exit, for a device that stops at the first one that is sure."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from tbft_artifacts.names import ACTIVATION, LOGITS
from tbft_export.exits.attach import EarlyExit, exit_features, linear
from tbft_export.exits.heads import own_head
from tbft_export.graph.builder import GraphBuilder, infer_shapes
from tbft_export.graph.forward import BATCH, ForwardModel
from tbft_export.graph.subgraph import extract, image_shape, value_named

# The input of every stage but the first, which takes images. One graph cannot call input and output the same.
BEFORE = f"{ACTIVATION}.before"


def build_predict(forward: ForwardModel, number: int) -> ir.Model:
    """Images -> `logits` (batch, classes) of the last exit, the one of that number, without those before it."""
    own = own_head(forward)
    model = forward.model.clone()
    build = GraphBuilder(model.graph)
    model.graph.outputs[0].name = f"{LOGITS}/own"
    return build.finish({LOGITS: linear(build, number, value_named(model.graph, own.features.name or ""), own.head)})


def build_stages(forward: ForwardModel, early: Sequence[EarlyExit]) -> tuple[ir.Model, ...]:
    """One graph per exit: images, or `activation` of the stage before -> `logits`, and `activation` but for the last.

    Run one behind the other they compute the network once.
    """
    own = own_head(forward)
    model = forward.model.clone()
    build = GraphBuilder(model.graph)
    parts = exit_features(build, early, own.features.name or "")
    heads = [*(each.head for each in early), own.head]
    logits = [linear(build, number, part, head) for number, (part, head) in enumerate(zip(parts, heads, strict=True))]
    cuts = [model.graph.inputs[0], *(value_named(model.graph, each.depth.activation) for each in early)]
    infer_shapes(model)
    stages = [
        extract(model, start, answer, *cuts[number + 1 : number + 2])
        for number, (start, answer) in enumerate(zip(cuts, logits, strict=True))
    ]
    for number, stage in enumerate(stages):
        if number:
            stage.graph.inputs[0].name = BEFORE
        for value, name in zip(stage.graph.outputs, (LOGITS, ACTIVATION), strict=False):
            value.name = name
        for value in (*stage.graph.inputs, *stage.graph.outputs):
            # Behind a stride, shape inference gives the batch a name of its own.
            value.shape = ir.Shape([BATCH, *image_shape(value)])
    return tuple(stages)
