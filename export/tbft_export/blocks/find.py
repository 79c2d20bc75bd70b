"""From a forward graph to the blocks of a network."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Block
from tbft_artifacts.names import is_inside
from tbft_export.blocks.groups import find_groups
from tbft_export.blocks.layers import find_layers, trainable_parameters
from tbft_export.blocks.names import Modules, outermost
from tbft_export.blocks.stages import Stage, cut
from tbft_export.blocks.units import find_units


@dataclass(frozen=True)
class Blocks:
    """The blocks of a network in the order of its graph, by the names of the modules that hold their parameters.

    `stem` is what stands before the first of the `stages`, `front` the stem with that stage, `rest` a norm between the
    last stage and the head, `rear` the layer that gives the logits. A network of two layers has no stage.
    `residual_blocks` are single blocks of stages, where a module holds one. `names` are all parts behind each other.
    """

    stem: tuple[str, ...]
    front: tuple[str, ...]
    stages: tuple[tuple[str, ...], ...]
    rest: tuple[str, ...]
    rear: tuple[str, ...]
    residual_blocks: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.stem, *(n for stage in self.stages for n in stage), *self.rest, *self.rear)))


def find_blocks(graph: ir.Graph, parameters: Sequence[str], fixed: Set[str] = frozenset()) -> Blocks:
    """The parts of a network, found in its graph; each of `parameters` is in exactly one of them.

    `fixed` are weights that are never trained, and in none; their layers are some all the same.

    Raises TbftError if nothing is multiplied with a weight, so that there is no last layer.
    """
    layers = find_layers(graph, parameters, fixed)
    rear = {name for index in layers.heads | layers.behind for name in layers.reads.get(index, ())}
    if not layers.heads:
        raise TbftError(
            "the model has no last layer with weights that could be trained",
            "give a classifier whose logits come from a linear layer or a convolution",
        )
    modules = Modules(parameters)
    stem, stages = cut(find_groups(find_units(graph, layers, modules, rear)), modules)
    found = [_names(stem), *map(_names, stages)]
    held = rear.union(*found)
    return Blocks(
        stem=modules.spell(found[0]),
        front=modules.spell({*found[0], *found[1]}) if stages else (),
        stages=tuple(map(modules.spell, found[1:])),
        rest=modules.spell([name for name in parameters if name not in held]),
        rear=modules.spell(rear),
        residual_blocks=tuple(name for stage in stages for name in _single_blocks(stage, modules)),
    )


def describe_blocks(
    graph: ir.Graph, weights: frozenset[str], trained: Sequence[str], fixed: Set[str] = frozenset()
) -> tuple[Block, ...]:
    """Every block of the network, in the order of its graph, and how many trainable values it holds.

    A block of which `trained` names only a part is opened, so that each is trained as a whole or not at all: with
    `layer2.0` trained, `layer2` becomes `layer2.0`, `layer2.1` and so on. Where nothing is a layer, the blocks are the
    outermost modules that do not hold everything.
    """
    parameters = trainable_parameters(graph, weights)
    try:
        known = find_blocks(graph, parameters, fixed).names
    except TbftError:
        known = outermost(parameters)
    values: dict[str, int] = {}
    for parameter in parameters:
        block = max((name for name in known if is_inside(parameter, name)), key=len)
        while block != parameter and any(name != block and is_inside(name, block) for name in trained):
            block = ".".join(parameter.split(".")[: block.count(".") + 2])
        tensor = graph.initializers[parameter].const_value
        assert tensor is not None
        values[block] = values.get(block, 0) + tensor.size
    return tuple(Block(name, count) for name, count in values.items())


def _names(stage: Stage) -> list[str]:
    return [name for group in stage for name in group.parameters]


def _single_blocks(stage: Stage, modules: Modules) -> list[str]:
    """Modules that hold the groups of a stage: one each, or several in a row, as a transformer's block does."""
    found: list[str] = []
    row: Stage = ()
    for group in stage:
        row = (*row, group)
        starts = range(len(row) - 1, -1, -1)
        block = next(filter(None, (_single_block(row[start:], modules) for start in starts)), None)
        if block is not None:
            found.append(block)
            row = ()
    return found


def _single_block(groups: Stage, modules: Modules) -> str | None:
    """The module that holds exactly these groups, perhaps without what stands before and a norm behind them.

    Of several it has to be numbered (`blocks.0`, `encoder_layer_0`), or it could be any module.
    """
    whole = _names(groups)
    start, end = len(groups[0].units[0].ahead), len(whole) - len(groups[-1].units[-1].behind)
    block = next(filter(None, map(modules.block, (whole, whole[:end], whole[start:]))), None)
    has_block = any(group.is_block for group in groups)
    if block is None or len(groups) == 1:
        return block if has_block else None
    number = block.rpartition(".")[2]
    return block if number.isdecimal() or (has_block and number[-1].isdecimal()) else None
