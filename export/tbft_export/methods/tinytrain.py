"""TinyTrain: the device chooses channels of convolutions by what its own images say, and trains those."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import is_inside
from tbft_artifacts.sparse import SparseLayer
from tbft_export.convolutions.sparse import sparse_candidates, sparse_layers
from tbft_export.graph.boundary import find_boundary
from tbft_export.methods.drifts import default_learning_rate
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import method
from tbft_export.training_plan import TrainingPlan

# Each plan has about half of the backward pass of the one before: budgets are small parts of it, so depths are wanted
# close together near the output.
PLANS = 4
# Operations of a forward pass up to which the deepest plan begins at the input (ResNet-26 at 32 px takes 1.1e8). Of a
# larger network it has half of the backward pass: scoring what lies before would cost a small device more than it
# could ever train there.
SMALL_NETWORK = 3e8


@dataclass(frozen=True)
class _Part:
    """Convolutions between which no plan begins: those of a residual block, or a layer outside of one."""

    name: str
    layers: tuple[SparseLayer, ...]

    @property
    def flops(self) -> int:
        """Of a forward pass; the gradient of its input takes as many."""
        return sum(layer.shape[0] * layer.row_flops for layer in self.layers)


@method("tinytrain", "top_blocks")
def tinytrain(network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
    """The head, and of all convolutions behind some depth the channels that a device chooses; a plan for each depth.

    Source: "TinyTrain: Resource-Aware Task-Adaptive Sparse Training of DNNs at the Data-Scarce Edge", ICML 2024 (arXiv
    2307.09988); without its meta-training, from which most of its gain comes. The paper's own engine can end the
    backward pass at any layer; here it ends where one of at most `PLANS` graphs begins, the deepest first. With
    `top_blocks` that one begins so many residual blocks before the end. Biases and batch norms stay as they are.
    Raises TbftError for a network without convolutions whose channels could be chosen, and for more blocks than there
    are.
    """
    parts = _parts(network)
    if not parts:
        raise TbftError("the model has no convolution whose channels could be chosen", "choose another `method`")
    head = network.inside(network.blocks.rear)
    flops = [part.flops for part in parts]
    return tuple(
        _plan(network, options, parts[start:], head)
        for start in _starts(flops, _first(network, parts, options.top_blocks))
    )


def _plan(network: Network, options: MethodOptions, parts: Sequence[_Part], head: tuple[str, ...]) -> TrainingPlan:
    sparse = tuple(layer.weight for part in parts for layer in part.layers)
    policy = options.batch_norm or "frozen"
    return TrainingPlan(
        method="tinytrain",
        label=f"tinytrain-{parts[0].name}",
        drift=None,
        blocks=network.modules_of((*sparse, *head)),
        parameters=head,
        policy=policy,
        # Small parts everywhere are trained as everything is.
        lr=default_learning_rate(options.optimizer, "full", policy),
        sparse=sparse,
    )


def _first(network: Network, parts: Sequence[_Part], top_blocks: int | None) -> int:
    """Where the deepest plan begins."""
    if top_blocks is not None:
        blocks = [index for index, part in enumerate(parts) if part.name in network.blocks.residual_blocks]
        if top_blocks > len(blocks):
            raise TbftError(
                f"the model has {len(blocks)} residual blocks where a plan could begin, not {top_blocks}",
                "lower `top_blocks`" if blocks else "leave `top_blocks` out",
            )
        return blocks[-top_blocks]
    behind = _behind([part.flops for part in parts])
    if behind[0] <= SMALL_NETWORK:
        return 0
    # The last part alone may have more than half.
    return next((index for index, flops in enumerate(behind) if flops <= behind[0] / 2), len(behind) - 1)


def _starts(flops: Sequence[int], first: int) -> list[int]:
    """Where plans begin, each with about half of what the one before computes backwards."""
    behind = _behind(flops)
    starts = [first]
    while len(starts) < PLANS and starts[-1] + 1 < len(flops):
        wanted = behind[starts[-1]] / 2
        starts.append(min(range(starts[-1] + 1, len(flops)), key=lambda index: abs(behind[index] - wanted)))
    return starts


def _behind(flops: Sequence[int]) -> list[int]:
    """What each part and all behind it take together."""
    return list(itertools.accumulate(reversed(flops)))[::-1]


def _parts(network: Network) -> list[_Part]:
    """The convolutions by residual block, in the order of the graph.

    Outside of blocks, too, two belong together if a plan that trains either could begin no later than at the same
    activation. Between the layers of a block without a shortcut a plan could begin, but activations are wider there.
    """
    graph = network.forward.graph
    layers = sparse_layers(graph, list(sparse_candidates(graph, network.parameters)))
    groups: list[tuple[str, list[SparseLayer]]] = []
    last = None
    for layer in layers:
        module = layer.weight.rpartition(".")[0]
        around = (block for block in network.blocks.residual_blocks if is_inside(module, block))
        name = next(around, module)
        boundary = find_boundary(graph, {layer.weight}).name
        if groups and (name == groups[-1][0] or boundary == last):
            groups[-1][1].append(layer)
        else:
            groups.append((name, [layer]))
        last = boundary
    return [_Part(name, tuple(group)) for name, group in groups]
