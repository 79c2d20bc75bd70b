"""Batch norms of a plan: which use the statistics of the batch, and the graph that re-estimates all of them."""

from __future__ import annotations

import math
from collections import Counter

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.plan import BatchNormPolicy
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.subgraph import image_shape
from tbft_export.pipeline import PassRunner, batch_mode


def statistics_model(forward: ForwardModel, runner: PassRunner) -> ir.Model | None:
    """Graph images -> batch statistics of every batch norm; None for a model without batch norms."""
    model = runner.run(forward.model.clone(), batch_mode(forward.weights))
    logits = model.graph.outputs[0]
    model.graph.outputs.remove(logits)
    if not model.graph.outputs:
        return None
    return runner.run(model, [ir.passes.common.RemoveUnusedNodesPass()])


def batch_statistics(forward: ir.Graph, suffix: ir.Graph, policy: BatchNormPolicy) -> tuple[str, ...]:
    """The norms, by their running mean, that `policy` gives the batch's statistics, of a model and its part trained.

    Raises TbftError for one that is applied more than once.
    """
    if policy in ("frozen", "adapt"):
        return ()
    means = tuple(norm.mean for norm in batch_norms(suffix if policy == "block" else forward))
    for mean, count in Counter(means).items():
        if count > 1:
            raise TbftError(
                f"batch norm '{mean.removesuffix('.running_mean')}' is applied {count} times in the network, each time "
                "to other statistics",
                "`batch_norm` frozen leaves its averages as they are; or make a norm for each time",
            )
    return means


def batch_norms(graph: ir.Graph) -> tuple[BatchNorm, ...]:
    """The batch norms of a forward graph, in its order."""
    found = []
    for node in graph:
        if node.op_type != "BatchNormalization":
            continue
        x, _, _, mean, variance = node.inputs
        assert x is not None
        assert mean is not None
        assert variance is not None
        found.append(
            BatchNorm(
                mean=mean.name or "",
                variance=variance.name or "",
                # ONNX keeps the weight of the old average, as float32.
                momentum=round(1.0 - node.attributes.get_float("momentum", 0.9), 6),
                values=math.prod(image_shape(x)[1:]),
            )
        )
    return tuple(found)
