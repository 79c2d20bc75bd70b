"""From a forward graph to the blocks of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Block
from tbft_artifacts.names import is_inside
from tbft_export.blocks.groups import find_groups
from tbft_export.blocks.layers import find_layers, trainable_parameters
from tbft_export.blocks.names import Modules, outermost
from tbft_export.blocks.stages import Stage, cut
from tbft_export.blocks.units import find_path


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


def find_blocks(graph: ir.Graph, parameters: Sequence[str]) -> Blocks:
    """The parts of a network, found in its graph; each of `parameters` is in exactly one of them.

    Raises TbftError if nothing is multiplied with a weight, so that there is no last layer.
    """
    layers = find_layers(graph, parameters)
    rear = {name for index in layers.heads | layers.behind for name in layers.reads.get(index, ())}
    if not layers.heads:
        raise TbftError(
            "the model has no last layer with weights that could be trained",
            "give a classifier whose logits come from a linear layer or a convolution",
        )
    modules = Modules(parameters)
    path = find_path(graph, layers, modules)
    stem, stages = cut(find_groups(path.units), modules)
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


def describe_blocks(graph: ir.Graph, weights: frozenset[str], trained: Sequence[str]) -> tuple[Block, ...]:
    """Every block of the network, in the order of its graph, and how many trainable values it holds.

    A block of which `trained` names only a part is opened, so that each is trained as a whole or not at all: with
    `layer2.0` trained, `layer2` becomes `layer2.0`, `layer2.1` and so on. Where nothing is a layer, the blocks are the
    outermost modules that do not hold everything.
    """
    parameters = trainable_parameters(graph, weights)
    try:
        known = find_blocks(graph, parameters).names
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
        alone = modules.block(group.parameters) if group.is_block else None
        row = () if alone is not None else (*row, group)
        # Of several groups it has to be numbered, or it could be any module.
        together = modules.block(_names(row)) if len(row) > 1 else None
        if together is not None and together.rpartition(".")[2].isdecimal():
            row = ()
        else:
            together = None
        found += [name for name in (alone, together) if name is not None]
    return found
