"""Batch norms of a plan: which use the statistics of the batch, and the graph that re-estimates all of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.plan import BatchNormPolicy
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.subgraph import image_shape
from tbft_export.pipeline import PassRunner, batch_mode

# Images that are normalised together where norms use the statistics of the batch, or the whole batch; None: by rule.
NormPart = int | Literal["whole"] | None
# Fewer images say too little of a channel's mean and variance, and so do fewer of its values in the smallest norm.
FEWEST_IMAGES = 8
FEWEST_VALUES = 256
# More leave cores without a part of the usual batch.
MOST_FOR_SPEED = 16


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


def statistics_part(norms: Sequence[BatchNorm], asked: NormPart, micro_batch: int) -> int | None:
    """How many images norms with batch statistics normalise together at least; None: those of a whole batch.

    By rule the smallest power of two that gives the norm with the smallest image `FEWEST_VALUES` per channel, and
    `FEWEST_IMAGES` at least: ghost batch norm (Hoffer, Hubara, Soudry, "Train longer, generalize better", NeurIPS
    2017). Where a cache holds more, `micro_batch`, as many up to `MOST_FOR_SPEED`: each operator runs once a part.
    Raises TbftError where so few images as `asked` give a norm one value per channel.
    """
    if not norms or asked == "whole":
        return None
    fewest = min(norms, key=lambda norm: norm.values)
    if asked is None:
        needed = max(FEWEST_IMAGES, -(-FEWEST_VALUES // fewest.values))
        return max(1 << (needed - 1).bit_length(), min(micro_batch, MOST_FOR_SPEED))
    if asked * fewest.values < 2:
        raise TbftError(
            f"parts of {asked} image give batch norm '{fewest.mean.removesuffix('.running_mean')}' one value per "
            "channel, which has no variance",
            "give a larger `batch_norm_part`, or whole",
        )
    return asked


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
