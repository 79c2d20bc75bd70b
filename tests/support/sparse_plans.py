"""Plans of made-up networks whose channels a device chooses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from support.bundles import made_up_manifest
from tbft_artifacts.plan import BYTES_PER_FLOAT, Parameter, Plan
from tbft_artifacts.sparse import SparseLayer, SparseUpdate

HEAD = Parameter("fc.weight", (4, 6))
HEAD_FLOPS = 2 * math.prod(HEAD.shape)


def made_up_layer(number: int, shape: tuple[int, ...], positions: int) -> SparseLayer:
    """A convolution that gives outputs at so many positions."""
    return SparseLayer(weight=f"conv{number}.weight", shape=shape, row_flops=2 * math.prod(shape[1:]) * positions)


def made_up_plans(layers: Sequence[SparseLayer], starts: Sequence[int], slots: int = 1) -> tuple[Plan, ...]:
    """One plan for each of `starts`, the deepest first, with the layers from that one on, in the order of the graph.

    The backward pass without rows goes through every layer but the first of a plan, and the head is always trained.
    """
    (plan,) = made_up_manifest().plans
    kinds = ("momentum", "exp_avg", "exp_avg_sq")
    optimizer = msgspec.structs.replace(plan.optimizer, slots=kinds[:slots])
    full = 3 * HEAD_FLOPS + 2 * sum(layer.row_flops * layer.shape[0] for layer in layers)
    return tuple(
        msgspec.structs.replace(
            plan,
            id=f"from{start}",
            drift=None,
            method="sparse",
            parameters=(HEAD,),
            optimizer=optimizer,
            int8=None,
            targets_memory=None,
            sparse=SparseUpdate(tuple(layers[start:])),
            cost=msgspec.structs.replace(
                plan.cost,
                backward_flops=HEAD_FLOPS + sum(layer.row_flops * layer.shape[0] for layer in layers[start + 1 :]),
                parameter_bytes=BYTES_PER_FLOAT * math.prod(HEAD.shape),
            ),
            full_cost=msgspec.structs.replace(plan.cost, backward_flops=full),
        )
        for start in starts
    )
