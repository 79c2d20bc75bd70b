"""Units that belong together: the layers of an inverted residual block without a shortcut, a block and its gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbft_export.blocks.units import Size, Unit


@dataclass(frozen=True)
class Group:
    """Units between which no stage begins. `is_block`: they have a shortcut, branches, or a depthwise layer."""

    units: tuple[Unit, ...]
    is_block: bool

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(name for unit in self.units for name in unit.parameters)

    @property
    def layers(self) -> int:
        return sum(len(unit.products) for unit in self.units)

    @property
    def is_sum(self) -> bool:
        """Whether it is a block that ends in a sum with its shortcut."""
        return self.is_block and self.units[-1].last == "Add"

    @property
    def before(self) -> Size:
        return self.units[0].before

    @property
    def after(self) -> Size:
        return self.units[-1].after


def find_groups(units: Sequence[Unit]) -> tuple[Group, ...]:
    """Put units together, in their order.

    A depthwise convolution and the layer behind it are one block, and with them the pointwise convolution before it
    where that layer narrows what it widened (MobileNetV2). So are a layer that narrows and the branches behind it
    (SqueezeNet). A gate belongs to what it scales.
    """
    groups: list[Group] = []
    start = 0
    while start < len(units):
        end = _end(units, start)
        inside = tuple(units[start:end])
        is_block = any(unit.is_depthwise or not (unit.is_single or unit.is_gate) for unit in inside)
        groups.append(Group(inside, is_block))
        start = end
    return tuple(groups)


def _end(units: Sequence[Unit], start: int) -> int:
    """Where the group ends that begins with this unit."""
    inverted = _inverted_end(units, start)
    if inverted is not None:
        return inverted
    if _squeezes(units, start):
        return _behind_gates(units, start + 2)
    after = _behind_gates(units, start + 1)
    if units[start].is_depthwise and after < len(units) and units[after].is_single:
        # A depthwise layer may stand ahead of an inverted block, too (MobileNetV4).
        inverted = _inverted_end(units, after)
        return _behind_gates(units, after + 1) if inverted is None else inverted
    return after


def _squeezes(units: Sequence[Unit], start: int) -> bool:
    """Whether a pointwise layer narrows the map that branches behind it read, which are joined again."""
    layer, *behind = units[start : start + 2]
    narrows = layer.is_pointwise and layer.outputs < layer.inputs
    return narrows and bool(behind) and behind[0].last == "Concat" and behind[0].before.dims == layer.after.dims


def _inverted_end(units: Sequence[Unit], start: int) -> int | None:
    """The end of widening, depthwise and narrowing layers that begin here; None where they do not."""
    if not units[start].is_pointwise:
        return None
    depthwise = _behind_gates(units, start + 1)
    if depthwise >= len(units) or not units[depthwise].is_depthwise:
        return None
    last = _behind_gates(units, depthwise + 1)
    if last >= len(units) or not units[last].is_pointwise or units[last].outputs >= units[last].inputs:
        return None
    return _behind_gates(units, last + 1)


def _behind_gates(units: Sequence[Unit], index: int) -> int:
    while index < len(units) and units[index].is_gate:
        index += 1
    return index
