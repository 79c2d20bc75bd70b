"""At which depths of a network exits stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import is_inside
from tbft_export.graph.boundary import crossings
from tbft_export.graph.cost import forward_flops, node_flops
from tbft_export.graph.operands import has_static_shape

# Of the floating-point operations of the whole network. With ResNet-26's four exits, personalised on 1,000 photos, an
# image takes 1/1.49 of them on average at the accuracy of the model's own head; 1/1.43 with 0.25, 1/1.44 with 0.01.
FIRST_SHARE = 0.1
IMAGE_RANK = 4


@dataclass(frozen=True)
class Depth:
    """A place at which a network can be cut: one activation crosses it, images (batch, C, H, W).

    `flops`: floating-point operations of one image up to there. `block`: the module that ends there.
    """

    activation: str
    flops: int
    block: str


def block_ends(graph: ir.Graph, residual_blocks: Sequence[str] = ()) -> tuple[Depth, ...]:
    """The ends of the blocks of a forward graph, in its order.

    A block ends where one activation alone leads on, at the last such place ahead of the next convolution: behind
    the sum of a residual block and its ReLU, not between its branches, nor between the layers of one of
    `residual_blocks` that has a single branch. What leads to the head alone is no end of a block: the last exit
    stands there.
    """
    found = dict(crossings(graph))
    ends: list[Depth] = []
    latest: Depth | None = None
    convolutions: list[str] = []
    flops = 0
    for index, node in enumerate(graph):
        if node.op_type == "Conv":
            weight = node.inputs[1].name or ""  # type: ignore[union-attr]  # Every Conv has a weight.
            if latest is not None and not _goes_on(convolutions[-1], weight, residual_blocks):
                ends.append(latest)
                convolutions = []
            convolutions.append(weight)
            latest = None
        flops += node_flops(node)
        activation = found.get(index)
        if convolutions and activation is not None and has_static_shape(activation, IMAGE_RANK):
            latest = Depth(activation.name or "", flops, _name(convolutions, residual_blocks))
    return tuple(ends)


def choose_depths(graph: ir.Graph, residual_blocks: Sequence[str], exits: int) -> tuple[Depth, ...]:
    """Where all exits but the last stand, of `exits` in all.

    In equal steps of floating-point operations from `FIRST_SHARE` of the network's to the whole of it, each at the
    end of the block that is nearest. Raises TbftError if there are too few blocks.
    """
    ends, flops = block_ends(graph, residual_blocks), forward_flops(graph)
    early = exits - 1
    if not 0 < early <= len(ends):
        raise TbftError(
            f"{exits} exits were asked for, but the network can be cut at the ends of {len(ends)} blocks",
            f"give 2 to {len(ends) + 1} with `exits`" if ends else "choose another `method`",
        )
    chosen: list[Depth] = []
    for number in range(early):
        share = FIRST_SHARE + (1 - FIRST_SHARE) * number / early
        # Behind the one before, and with enough ends left for those that follow.
        first = ends.index(chosen[-1]) + 1 if chosen else 0
        left = ends[first : len(ends) - (early - number - 1)]
        chosen.append(min(left, key=lambda depth: abs(depth.flops - share * flops)))
    return tuple(chosen)


def _goes_on(before: str, weight: str, residual_blocks: Sequence[str]) -> bool:
    """Whether two weights belong to one residual block."""
    block = _block_of(weight, residual_blocks)
    return block is not None and block == _block_of(before, residual_blocks)


def _block_of(weight: str, residual_blocks: Sequence[str]) -> str | None:
    return next((block for block in residual_blocks if is_inside(weight, block)), None)


def _name(weights: Sequence[str], residual_blocks: Sequence[str]) -> str:
    """The residual block of `weights`; else the innermost module that holds all of them, or the last one's own."""
    block = _block_of(weights[-1], residual_blocks)
    if block is not None:
        return block
    modules = [name.split(".")[:-1] for name in weights]
    shared = [parts[0] for parts in zip(*modules, strict=False) if len(set(parts)) == 1]
    return ".".join(shared or modules[-1])
