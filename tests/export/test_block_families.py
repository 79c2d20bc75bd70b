"""The parts of a network of each family: found in its graph, and only called by the names of its modules."""

from __future__ import annotations

from functools import cache

import pytest

from support.exports import forward_of
from tbft_export.blocks.find import Blocks, find_blocks
from tbft_export.blocks.layers import trainable_parameters
from tbft_export.blocks.names import select
from tbft_export.graph.boundary import crossings, find_boundary


@cache
def found(model: str) -> Blocks:
    forward = forward_of(model)
    return find_blocks(forward.graph, trainable_parameters(forward.graph, forward.weights))


# Of each network: stem, stages, what stands between them and the head, head.
PARTS = {
    "common_nets:lenet": (["0"], [["3"], ["7"]], [], ["9"]),
    "common_nets:squeezed": (["features.0"], [["features.3"]], [], ["classifier"]),
    "common_nets:perceptron": (["1", "2"], [], [], ["4"]),
    "common_nets:dense": (["0"], [["1", "2"], ["3"]], ["4"], ["6"]),
    "common_nets:dense_list": (["0"], [["1", "2"], ["3"]], ["4"], ["6"]),
    "common_nets:inception": (["0"], [["1"], ["2"]], [], ["3"]),
    "families:vgg": (
        ["features.0"],
        [["features.3", "features.5"], ["features.8"], ["classifier.0", "classifier.3"]],
        [],
        ["classifier.5"],
    ),
    "families:deep_stem": (["conv1", "bn1"], [["layer1"], ["layer2"], ["layer3"]], [], ["head"]),
    "families:dilated": (["conv1"], [["layer1"], ["layer2"], ["layer3"]], [], ["head"]),
    "families:rep_vgg": (["stem"], [["stages.0"], ["stages.1"], ["stages.2"]], [], ["head"]),
    "families:vovnet": (["stem"], [["stages.0"], ["stages.1"]], [], ["head"]),
    "families:mobilenet_v1": (
        ["conv1"],
        [["blocks.0"], ["blocks.1", "blocks.2"], ["blocks.3", "blocks.4", "conv5"]],
        [],
        ["head"],
    ),
    "families:conv_next": (["stem"], [["stages.0"], ["stages.1"], ["stages.2"]], ["norm"], ["head"]),
    "families:transformer": (
        ["patch_embed", "cls_token", "pos_embed"],
        [["blocks.0"], ["blocks.1", "blocks.2"], ["blocks.3", "blocks.4"]],
        ["norm"],
        ["head"],
    ),
    "families:mixer": (
        ["patch_embed", "pos_embed"],
        [["blocks.0"], ["blocks.1"], ["blocks.2", "blocks.3"]],
        ["norm"],
        ["head"],
    ),
    "families:two_heads": (["stem"], [["stages.0"], ["stages.1"]], [], ["head", "head_dist"]),
    # Its uneven pools are products with constants, and no layers.
    "families:pooled_end": (["conv1"], [["conv2"], ["conv3"]], [], ["head"]),
    "families:perceptron": (["1"], [["3"], ["5"], ["7"]], [], ["9"]),
}


@pytest.mark.parametrize("model", PARTS)
def test_the_parts_of_each_family(model: str) -> None:
    """Stems of several layers, blocks with branches, dense blocks, tokens, and chains."""
    blocks = found(model)
    parts = (list(blocks.stem), list(map(list, blocks.stages)), list(blocks.rest), list(blocks.rear))
    assert parts == PARTS[model]


@pytest.mark.parametrize("model", PARTS)
def test_stages_begin_where_one_activation_alone_leads_on(model: str) -> None:
    """So that everything before one is a frozen part that can be kept."""
    graph = forward_of(model).graph
    parameters = trainable_parameters(graph, forward_of(model).weights)
    activations = {activation for _, activation in crossings(graph)}
    begin = [find_boundary(graph, set(select(parameters, stage, ()))) for stage in found(model).stages]
    assert all(boundary in activations for boundary in begin)
    assert len(set(begin)) == len(begin)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("families:deep_stem", ["layer1.0", "layer1.1", "layer2.0", "layer3.0"]),
        ("families:transformer", [f"blocks.{number}" for number in range(5)]),
        ("families:mobilenet_v1", [f"blocks.{number}" for number in range(5)]),
        ("families:vgg", []),
        ("common_nets:squeezed", ["features.3"]),
    ],
)
def test_single_blocks(model: str, expected: list[str]) -> None:
    """What methods count blocks by: also of two sums with a shortcut each, or of a pair of layers."""
    assert list(found(model).residual_blocks) == expected
