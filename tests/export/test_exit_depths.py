"""Where exits stand, and what they read there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from support import tiny_models
from support.batches import random_batches
from support.exports import forward_of
from support.onnx_models import parse, run
from tbft_artifacts.errors import TbftError
from tbft_export.exits.attach import LARGEST_GRID, MOST_FEATURES, pool, pooled_model
from tbft_export.exits.depths import FIRST_SHARE, block_ends, choose_depths
from tbft_export.graph.builder import GraphBuilder
from tbft_export.graph.cost import forward_flops
from tbft_export.methods.method import Network

NETWORKS = ("tiny_models:tiny_plain", "tiny_models:tiny_deep", "settled_models:resnet18_like", "tiny_models:resnet26")


def test_blocks_of_the_published_network_end_behind_their_sums() -> None:
    """Not between the branches of a block, nor ahead of the head, where the last exit stands."""
    blocks = [depth.block for depth in block_ends(forward_of("tiny_models:resnet26").graph)]
    residual = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(4)]
    assert blocks == ["conv1", *residual[:-1]]


def test_the_rectifier_and_the_pool_behind_a_block_belong_to_it() -> None:
    """What exits read there is smaller, and the same for all that follows."""
    graph = forward_of("settled_models:resnet18_like").graph
    producers = {output.name: node.op_type for node in graph for output in node.outputs}
    found = {depth.block: producers[depth.activation] for depth in block_ends(graph)}
    assert found["conv1"] == "MaxPool"
    assert found["layer1.0"] == "Relu"


def test_a_block_without_a_shortcut_is_not_cut_in_two() -> None:
    """Between the layers of an inverted residual block that strides one activation crosses, too: a wide one."""
    network = Network(forward_of("mobile_models:mobilenet_v2_like"))
    blocks = network.blocks.residual_blocks
    ends = block_ends(network.forward.graph, blocks)
    assert [depth.block for depth in ends] == ["features.0.0", *blocks]
    assert len(block_ends(network.forward.graph)) > len(ends)


@pytest.mark.parametrize("model", NETWORKS)
def test_exits_stand_deeper_and_deeper_about_equal_steps_apart(model: str) -> None:
    graph = forward_of(model).graph
    whole, ends = forward_flops(graph), block_ends(graph)
    largest_step = np.diff([0, *(depth.flops for depth in ends), whole]).max()
    for exits in range(2, len(ends) + 2):
        chosen = [depth.flops for depth in choose_depths(graph, (), exits)]
        assert len(chosen) == exits - 1
        assert np.all(np.diff([0, *chosen, whole]) > 0)
        wanted = whole * (FIRST_SHARE + (1 - FIRST_SHARE) * np.arange(exits - 1) / (exits - 1))
        if exits <= 3:
            assert np.abs(chosen - wanted).max() <= largest_step


@pytest.mark.parametrize("exits", [1, 5])
def test_more_exits_than_blocks_are_refused(exits: int) -> None:
    graph = forward_of("tiny_models:tiny_deep").graph
    assert len(block_ends(graph)) == 3
    with pytest.raises(TbftError, match=f"{exits} exits were asked for") as caught:
        choose_depths(graph, (), exits)
    assert "2 to 4" in (caught.value.hint or "")


def test_exits_read_means_over_a_grid_of_both_signs() -> None:
    """As PyTorch computes them from the blocks themselves."""
    net, forward = tiny_models.resnet26(), forward_of("tiny_models:resnet26")
    (batch,) = random_batches([3], 32, 10, seed=5)
    kept: dict[str, torch.Tensor] = {}
    for name, layer in net.named_modules():
        layer.register_forward_hook(lambda _layer, _inputs, output, name=name: kept.update({name: output}))
    read_by_head: list[torch.Tensor] = []
    net.get_submodule("fc").register_forward_pre_hook(lambda _layer, inputs: read_by_head.append(inputs[0]))
    with torch.no_grad():
        logits = net(torch.from_numpy(batch.images))
    depths = block_ends(forward.graph)
    found = run(pooled_model(forward, [depth.activation for depth in depths]), {"images": batch.images})
    for number, depth in enumerate(depths):
        image = kept[depth.block]
        both = torch.cat([functional.relu(image), functional.relu(-image)], dim=1)
        grid = LARGEST_GRID if both.shape[1] * LARGEST_GRID**2 <= MOST_FEATURES else 2
        expected = functional.adaptive_avg_pool2d(both, grid).flatten(1).numpy()
        np.testing.assert_allclose(found[f"exits.{number}"], expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(found["logits"], logits.numpy(), rtol=0, atol=1e-4)
    np.testing.assert_allclose(found["features"], read_by_head[0].numpy(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("side", [*range(1, 10), 14])
def test_windows_cover_every_pixel(side: int) -> None:
    """One lit pixel at a time is seen, whatever the size of the map; rectified maps are read once."""
    model = parse(f"g (float[n,2,{side},{side}] x) => (float[n,2,{side},{side}] y) {{ y = Relu(x) }}")
    build = GraphBuilder(model.graph)
    pooled = build.finish({"means": pool(build, 0, model.graph.outputs[0])})
    pixels = np.eye(side**2, dtype=np.float32).reshape(-1, 1, side, side).repeat(2, axis=1)
    (means,) = run(pooled, {"x": pixels}).values()
    assert means.shape == (side**2, 2 * min(side, LARGEST_GRID) ** 2)
    assert np.all(means.max(axis=1) > 0)
