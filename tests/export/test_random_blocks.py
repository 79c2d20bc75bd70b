"""The parts of random networks: each parameter is in exactly one, in the order of the graph."""

from __future__ import annotations

from collections import OrderedDict

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from support.common_nets import Branches, conv_norm_relu, head
from support.tiny_models import PostActivationBlock
from tbft_artifacts.names import is_inside
from tbft_export.blocks.find import find_blocks
from tbft_export.blocks.layers import trainable_parameters
from tbft_export.blocks.names import Modules
from tbft_export.graph.boundary import crossings, find_boundary
from tbft_export.graph.forward import ForwardModel
from tbft_export.pipeline import PassRunner
from tbft_export.sources.given_shape import GivenShape
from tbft_export.sources.load import load_model

SIZE = 16
PIECES = ("layer", "residual", "branches", "separable", "pool", "squeezed")
Piece = tuple[str, int, int]
pieces = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from((4, 6, 8)), st.sampled_from((1, 2))), max_size=6)


def piece(kind: str, inputs: int, outputs: int, stride: int) -> nn.Module:
    """One part of a random network, named as people name them or not at all."""
    if kind == "layer":
        return conv_norm_relu(inputs, outputs, 3, stride)
    if kind == "residual":
        return PostActivationBlock(inputs, outputs, stride)
    if kind == "branches":
        return Branches(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.Conv2d(inputs, outputs, 1, stride), add=True)
    if kind == "separable":
        return nn.Sequential(
            conv_norm_relu(inputs, inputs, 3, stride, inputs), nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs)
        )
    if kind == "squeezed":
        return nn.Sequential(nn.Conv2d(inputs, 2, 1), nn.ReLU(), nn.Conv2d(2, outputs, 3, stride, 1), nn.ReLU())
    return nn.Sequential(nn.MaxPool2d(stride, stride, ceil_mode=True), nn.Conv2d(inputs, outputs, 1))


def network(parts: list[Piece], depth: int) -> nn.Module:
    """The parts behind each other, inside so many modules, and a linear layer."""
    layers: list[nn.Module] = []
    width = 3
    for kind, outputs, stride in parts:
        layers.append(piece(kind, width, outputs, stride))
        width = outputs
    body: nn.Module = nn.Sequential(*layers)
    for _ in range(depth):
        body = nn.Sequential(OrderedDict(body=body))
    return nn.Sequential(body, head(width)).eval()


drawn: list[nn.Module] = []


def made() -> nn.Module:
    """The network that was drawn last: `load_model` takes a factory."""
    return drawn[-1]


def forward_of(module: nn.Module) -> ForwardModel:
    drawn[:] = [module]
    return load_model(f"{__name__}:made", None, None, GivenShape((SIZE, SIZE)), PassRunner()).forward


@settings(max_examples=40, deadline=None)
@given(pieces, st.integers(0, 2))
def test_every_parameter_is_in_one_part(parts: list[Piece], depth: int) -> None:
    """Stem, stages, rest and rear hold all of them; stages begin at crossings, one behind the other."""
    torch.manual_seed(0)
    graph = (forward := forward_of(network(parts, depth))).graph
    parameters = trainable_parameters(graph, forward.weights)
    blocks = find_blocks(graph, parameters)
    found = [blocks.stem, *blocks.stages, blocks.rest, blocks.rear]
    held = [[name for name in parameters if any(is_inside(name, block) for block in part)] for part in found]
    assert sorted(name for part in held for name in part) == sorted(parameters)
    assert [part[0] for part in held if part] == sorted((part[0] for part in held if part), key=parameters.index)
    assert held[-1] == parameters[-2:]
    front = [name for name in parameters if any(is_inside(name, block) for block in blocks.front)]
    assert not blocks.stages or set(front) == {*held[0], *held[1]}
    places = {activation: index for index, activation in crossings(graph)}
    begin = [places[find_boundary(graph, set(part))] for part in held[1:-2]]
    assert begin == sorted(set(begin))


def test_the_module_of_a_single_block() -> None:
    """The element of a list: also of one with a single element, and not what is inside of it."""
    names = ["stem.0.0.w", "blocks.0.0.conv.0.w", "blocks.0.0.conv.0.b", "layer1.0.w", "layer1.1.w", "features.w"]
    modules = Modules(names)
    assert modules.block(names[1:3]) == "blocks.0.0"
    assert modules.block(names[3:4]) == "layer1.0"
    assert modules.block(names[5:]) == "features"
    assert modules.block(names[4:]) is None


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3), unique_by=tuple, min_size=1), st.data())
def test_modules_spell_exactly_what_they_are_asked_for(paths: list[list[str]], data: st.DataObject) -> None:
    """Whatever names there are, and whichever of them are chosen; nothing more is in the modules, and nothing less."""
    parameters = [".".join((*path, "weight")) for path in paths]
    chosen = data.draw(st.sets(st.sampled_from(parameters)))
    spelt = Modules(parameters).spell(chosen)
    assert {name for name in parameters if any(is_inside(name, module) for module in spelt)} == chosen
    assert len(spelt) <= len(chosen)
