"""Choose layers and channels by Fisher information, within budgets for memory and computation.

The criterion and the order are those of TinyTrain (arXiv 2307.09988); each function says what the paper leaves open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BYTES_PER_FLOAT, Plan
from tbft_artifacts.sparse import SparseLayer
from tbft_runtime.run.options import DEFAULT_COMPUTE, DEFAULT_UPDATE_BYTES
from tbft_runtime.run.selection_record import LayerChoice, Limit

# The part of a layer's channels that it may have before layers of a lower score have their turn.
FIRST_SHARE = 0.5


@dataclass(frozen=True)
class Budgets:
    """`update_bytes` for trained values, their gradients and the optimizer's state, the head's included.

    `compute` is the floating-point operations of a step's backward pass, as a part (0 to 1) of full fine-tuning's.
    """

    update_bytes: int = DEFAULT_UPDATE_BYTES
    compute: float = DEFAULT_COMPUTE


@dataclass(frozen=True)
class Chosen:
    """The plan to train, without rows yet, what is spent of the budgets, and every layer in the order of its score."""

    plan: Plan
    budgets: Budgets
    update_bytes: int
    compute: float
    layers: tuple[LayerChoice, ...]


def choose(plans: Sequence[Plan], fisher: Mapping[str, np.ndarray], budgets: Budgets) -> Chosen:
    """Which of `plans`, the deepest first, to train, and which channels of its layers.

    `fisher` has the Fisher information (K,) of each layer's output channels, by the layer's weight. Layers are taken
    in the order of their scores, channels of a layer in that of their Fisher information; of equal ones the layer
    nearer the output and the channel of the lower number come first. The paper takes the top channels of each layer
    and leaves open how many. Here a layer gets `FIRST_SHARE` of them at first; what the budgets have left when all
    layers had their turn goes to further channels, in the same order. A layer whose turn comes and that no longer
    fits is passed over, for the next. A channel without Fisher information is never chosen: on these images nothing
    would change it.

    A layer that the plan in use does not reach needs a deeper one, whose longer backward pass counts against the
    compute budget before any of its channels does. The plan is the shallowest that reaches every chosen layer.
    Raises TbftError if the budgets are too small for what every plan trains.
    """
    ranked = _ranked(plans, fisher)
    spending = _Spending(plans, budgets)
    limits: dict[str, Limit | None] = {}
    for share in (FIRST_SHARE, 1.0):
        for rank in ranked:
            limit = spending.take(rank, math.ceil(share * len(rank.fisher)))
            # What stopped a layer first is why, unless it got everything later.
            limits[rank.layer.weight] = limit and (limits.get(rank.layer.weight) or limit)
    return Chosen(
        plan=spending.plan,
        budgets=budgets,
        update_bytes=spending.update_bytes,
        compute=spending.backward_flops / full_backward(plans),
        layers=tuple(
            LayerChoice(
                weight=rank.layer.weight,
                depth=plans[rank.depth].id,
                potential=rank.potential,
                score=rank.score,
                channels=tuple(sorted(rank.order[: spending.taken[rank.layer.weight]].tolist())),
                informative=len(rank.order),
                size=len(rank.fisher),
                limit=limits[rank.layer.weight],
            )
            for rank in ranked
        ),
    )


def full_backward(plans: Sequence[Plan]) -> int:
    """Floating-point operations that full fine-tuning's backward pass takes for one image.

    Of a network that cannot be differentiated whole, those of the deepest of `plans` with every channel.
    """
    deepest = plans[0]
    if deepest.full_cost is not None:
        return deepest.full_cost.backward_flops
    rows = sum(layer.row_flops * layer.shape[0] for layer in deepest.sparse_layers)
    return deepest.cost.backward_flops + rows


def value_bytes(plan: Plan) -> int:
    """What one trained value takes: itself, its gradient, and each slot of the optimizer's state."""
    return BYTES_PER_FLOAT * (2 + len(plan.optimizer.slots))


@dataclass(frozen=True)
class _Ranked:
    """A layer with its score; `order` are its channels that have Fisher information, the highest first.

    `depth` is the index of the shallowest plan that reaches it.
    """

    layer: SparseLayer
    depth: int
    fisher: np.ndarray
    order: np.ndarray
    potential: float
    score: float


def _ranked(plans: Sequence[Plan], fisher: Mapping[str, np.ndarray]) -> list[_Ranked]:
    """The layers of the deepest plan in the order of their scores.

    s = P / [(‖W‖ / max ‖W‖) · (MACs / max MACs)], P = Σo Δo. The paper leaves open what the size ‖W‖ of a layer
    is: here the number of its weights, since those are what the update's memory grows with. MACs are those of its
    forward pass.
    """
    layers = plans[0].sparse_layers
    most_weights = max(math.prod(layer.shape) for layer in layers)
    most_flops = max(layer.row_flops * layer.shape[0] for layer in layers)
    ranked = []
    # From the output to the input, so that of equal scores the layer nearer the output comes first.
    for layer in reversed(layers):
        information = fisher[layer.weight].astype(np.float64)
        order = np.argsort(-information, kind="stable")
        potential = float(information.sum())
        cost = math.prod(layer.shape) / most_weights * (layer.row_flops * layer.shape[0] / most_flops)
        depth = max(index for index, plan in enumerate(plans) if layer in plan.sparse_layers)
        ranked.append(
            _Ranked(layer, depth, information, order[information[order] > 0], potential, score=potential / cost)
        )
    return sorted(ranked, key=lambda rank: -rank.score)


@dataclass
class _Spending:
    """What has been taken so far, and what the budgets leave."""

    plans: Sequence[Plan]
    budgets: Budgets
    taken: dict[str, int] = field(default_factory=dict)
    values: int = 0
    row_flops: int = 0

    def __post_init__(self) -> None:
        self.depth = len(self.plans) - 1
        self.bytes_per_value = value_bytes(self.plan)
        self.allowed_flops = int(self.budgets.compute * full_backward(self.plans))
        self.values = sum(math.prod(parameter.shape) for parameter in self.plan.parameters)
        if self.update_bytes > self.budgets.update_bytes:
            raise TbftError(
                f"the parameters that are always trained take {self.update_bytes:,} bytes with their gradients "
                f"and the optimizer's state, more than the update budget of {self.budgets.update_bytes:,} bytes",
                "raise `update_budget`, or `memory_budget` if that left no more for it",
            )
        if self.backward_flops > self.allowed_flops:
            least = self.backward_flops / full_backward(self.plans)
            raise TbftError(
                f"the backward pass of plan '{self.plan.id}' takes {least:.1%} of full fine-tuning's before any "
                f"channel is trained, more than the compute budget of {self.budgets.compute:.1%}",
                f"raise `compute_budget` above {math.ceil(1000 * least) / 10:g}%",
            )

    @property
    def plan(self) -> Plan:
        """The shallowest that reaches everything taken."""
        return self.plans[self.depth]

    @property
    def update_bytes(self) -> int:
        return self.bytes_per_value * self.values

    @property
    def backward_flops(self) -> int:
        return self.plan.cost.backward_flops + self.row_flops

    def take(self, rank: _Ranked, count: int) -> Limit | None:
        """Let a layer have up to `count` channels; what kept it from as many as have information, if anything did."""
        layer = rank.layer
        had = self.taken.setdefault(layer.weight, 0)
        wanted = min(count, len(rank.order)) - had
        if wanted <= 0:
            return None
        depth = min(self.depth, rank.depth)
        flops = self.allowed_flops - self.row_flops - self.plans[depth].cost.backward_flops
        by_compute = max(0, flops // layer.row_flops)
        by_update = (self.budgets.update_bytes - self.update_bytes) // (self.bytes_per_value * layer.row_values)
        fitting = min(wanted, by_compute, by_update)
        if fitting > 0:
            self.depth = depth
            self.taken[layer.weight] = had + fitting
            self.values += fitting * layer.row_values
            self.row_flops += fitting * layer.row_flops
        if fitting == wanted:
            return None
        if by_update <= by_compute:
            return "update"
        return "depth" if fitting == 0 and depth < self.depth else "compute"
