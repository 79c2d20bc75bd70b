"""Where stages begin: at the stem's end, and where the resolution changes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from tbft_export.blocks.groups import Group
from tbft_export.blocks.names import Modules
from tbft_export.blocks.units import Size

Stage = tuple[Group, ...]

# A stem is the layers before the first block, of at most so much of the network's groups; a module that begins the
# network is a stem with all that it holds up to so much of the network's layers.
LARGEST_STEM = 0.5
LARGEST_STEM_MODULE = 0.25
# How many stages a network is cut into where nothing but its depth tells them apart.
THIRDS = 3
# Changes of width make stages where the resolution stays; more than this many would be layers.
MOST_BY_WIDTH = 5
# How far a cut may move to where modules end.
_REACH = 4


def cut(groups: Sequence[Group], modules: Modules) -> tuple[Stage, tuple[Stage, ...]]:
    """The stem and the stages of a network, in its order.

    The stem is the first group, and with it all single layers before the first block. What follows is cut where the
    number of positions changes or residual blocks double their width (dilated ResNets); where neither ever happens,
    where the width changes; where that does not either, in thirds by depth.
    A cut is moved past a few groups where that splits fewer modules: what people call a stage may begin with layers
    that do not change the size yet.
    """
    end = _stem_end(groups, modules)
    stem, body = tuple(groups[:end]), tuple(groups[end:])
    if not body:
        return stem, ()
    starts = sorted({*_changes(body, lambda size: size.positions), *_doublings(body)})
    starts = _with_hidden_layers(body, starts)
    if len(starts) == 1:
        by_width = _changes(body, lambda size: size.width)
        starts = by_width if len(by_width) <= MOST_BY_WIDTH else starts
    if len(starts) == 1:
        parts = min(THIRDS, len(body))
        starts = [round(part * len(body) / parts) for part in range(parts)]
        starts = _at_modules(body, starts, modules, either_way=True)
    else:
        starts = _at_modules(body, starts, modules)
    return stem, tuple(body[start:stop] for start, stop in itertools.pairwise([*starts, len(body)]))


def _stem_end(groups: Sequence[Group], modules: Modules) -> int:
    first = next((index for index, group in enumerate(groups) if group.is_block), len(groups))
    end = max(1, first) if first <= LARGEST_STEM * len(groups) else 1
    splits = [modules.shared(_names(groups[:index]), _names(groups[index:])) for index in range(1, end + 1)]
    if splits:
        end = max(index for index, split in enumerate(splits, start=1) if split == min(splits))
    # A stem of several blocks, or one with depthwise layers, may be a module of its own.
    layers = list(itertools.accumulate(group.layers for group in groups))
    for index in range(end + 1, len(groups)):
        if layers[index - 1] > LARGEST_STEM_MODULE * layers[-1]:
            break
        if modules.shared(_names(groups[:index]), _names(groups[index:])) < min(splits):
            return index
    return end


def _changes(groups: Sequence[Group], key: Callable[[Size], int]) -> list[int]:
    """Where the key of what a group makes is another than before, from 0 on; where it is not known, it is the same."""
    starts = [0]
    last = groups[0].after
    for index, group in enumerate(groups):
        # What mixes tokens takes a turned map, but leaves one of the same size.
        if group.after.dims is None or group.after.dims == last.dims:
            continue
        if last.dims is not None and key(group.after) != key(last):
            starts.append(index)
        last = group.after
    return starts


def _doublings(groups: Sequence[Group]) -> list[int]:
    """Where residual blocks have at least twice the width of those before."""
    return [
        index
        for index, (group, following) in enumerate(itertools.pairwise(groups), start=1)
        if group.is_sum and following.is_sum and following.after.width >= 2 * group.after.width
    ]


def _with_hidden_layers(groups: Sequence[Group], starts: Sequence[int]) -> list[int]:
    """Without a stage of layers that read the mean of a map: they belong to the stage that made it.

    Those that read a map position by position, as VGG's, are a stage of their own.
    """
    last = starts[-1]
    if last == 0 or max(groups[last].before.positions, groups[last].after.positions) > 1:
        return list(starts)
    is_mean = groups[last].units[0].summed <= groups[last - 1].after.width
    return list(starts[:-1] if is_mean else starts)


def _at_modules(
    groups: Sequence[Group], starts: Sequence[int], modules: Modules, *, either_way: bool = False
) -> list[int]:
    """The cuts, each moved back (or `either_way`) past at most a few groups where that splits fewer modules."""
    moved = [0]
    for place, start in enumerate(starts[1:], start=2):
        end = starts[place] if place < len(starts) else len(groups)
        furthest = start + (_REACH if either_way else 0)
        reach = [at for at in range(start - _REACH, furthest + 1) if moved[-1] < at < end]
        splits = {at: modules.shared(_names(groups[:at]), _names(groups[at:])) for at in reach}
        moved.append(min(reach, key=lambda at: (splits[at], abs(at - start))))
    return moved


def _names(groups: Sequence[Group]) -> list[str]:
    return [name for group in groups for name in group.parameters]
