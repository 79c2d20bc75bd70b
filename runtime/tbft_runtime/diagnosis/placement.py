"""Which plan trains the block that a batch norm belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_artifacts.manifest import Block, Manifest
from tbft_artifacts.names import is_inside
from tbft_artifacts.plan import Plan


def candidates(manifest: Manifest) -> tuple[Plan, ...]:
    """The plans to choose from, from the input to the output: those for a drift, but that for everything."""
    return tuple(plan for plan in manifest.plans if plan.drift not in (None, "full"))


def module_of(norm: str) -> str:
    """`layer1.0.bn1` of `layer1.0.bn1.running_mean`."""
    return norm.rpartition(".")[0]


def norm_plans(manifest: Manifest, plans: Sequence[Plan]) -> tuple[Plan | None, ...]:
    """For each batch norm the plan that trains its block.

    A norm of a block that none of `plans` trains, such as the one before the head, shows what the block before it
    makes, and so counts for that one's plan.
    """
    found: list[Plan | None] = []
    for norm in manifest.batch_norms:
        before = found[-1] if found else None
        found.append(_plan_of(_block_of(module_of(norm.mean), manifest.blocks), plans) or before)
    first = next((plan for plan in found if plan is not None), None)
    # Those before the first block that is known belong to the front, which is trained with it.
    return tuple(plan or first for plan in found)


def _block_of(module: str, blocks: Sequence[Block]) -> Block | None:
    """The block whose name is the longest beginning of the module's."""
    around = [block for block in blocks if is_inside(module, block.name)]
    inside = [block for block in blocks if is_inside(block.name, module)]
    return max(around, key=lambda block: len(block.name), default=inside[0] if inside else None)


def _plan_of(block: Block | None, plans: Sequence[Plan]) -> Plan | None:
    if block is None:
        return None
    return next((plan for plan in plans if block.is_inside(plan.blocks)), None)
