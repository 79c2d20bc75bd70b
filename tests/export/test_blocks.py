"""From module names to blocks, from a drift to the block to train."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from support.exports import forward_of
from support.onnx_models import parse
from tbft_artifacts.check_names import LONGEST_ID
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Block
from tbft_artifacts.plan import Drift
from tbft_export.blocks.find import Blocks, describe_blocks, find_blocks
from tbft_export.blocks.layers import trainable_parameters
from tbft_export.blocks.names import select
from tbft_export.methods.drifts import Target, targets, usual_target

DRIFTS: tuple[Drift, ...] = get_args(Drift)
Targets = dict[Drift, tuple[str, ...]]

RESNET26: Targets = {
    "input": ("conv1", "layer1"),
    "feature": ("layer3",),
    "output": ("fc",),
    "full": ("conv1", "layer1", "layer2", "layer3", "bn", "fc"),
}
TORCHVISION: Targets = {
    "input": ("conv1", "bn1", "layer1"),
    "feature": ("layer3",),
    "output": ("fc",),
    "full": ("conv1", "bn1", "layer1", "layer2", "layer3", "fc"),
}


def numbered(parent: str, *groups: tuple[int, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(f"{parent}.{number}" for number in group) for group in groups)


STAGES = tuple(f"resnet.encoder.stages.{index}" for index in range(3))
TARGETS: dict[str, Targets] = {
    "settled_models:resnet26": RESNET26,
    "settled_models:resnet18_like": TORCHVISION,
    "settled_models:bottleneck_net": TORCHVISION,
    "odd_models:wrapped": {
        drift: tuple(f"backbone.{block}" for block in blocks) for drift, blocks in TORCHVISION.items()
    },
    "odd_models:hugging_face_like": {
        "input": ("resnet.embedder", STAGES[0]),
        "feature": (STAGES[2],),
        "output": ("classifier",),
        "full": ("resnet.embedder", *STAGES, "classifier"),
    },
}


# Of networks whose blocks are numbered siblings, the groups of one resolution.
MOBILE_STAGES: dict[str, tuple[tuple[str, ...], ...]] = {
    "mobile_models:mobilenet_v2_like": numbered("features", (1,), (2, 3), (4, 5, 6)),
    "mobile_models:mobilenet_v3_like": numbered("features", (1,), (2, 3), (4, 5)),
}
for model, stages in MOBILE_STAGES.items():
    head = {"mobile_models:mobilenet_v2_like": ("features.7", "classifier")}.get(
        model, ("features.6", "classifier.0", "classifier.3")
    )
    TARGETS[model] = {
        "input": ("features.0", *stages[0]),
        "feature": (*stages[-1], *head[:-1]),  # The last convolution, and layers that read its mean.
        "output": (head[-1],),
        "full": ("features.0", *(name for stage in stages for name in stage), *head),
    }


@pytest.mark.parametrize("model", list(TARGETS))
def test_each_drift_finds_its_block(model: str) -> None:
    """Front, late stage, head, and everything, whatever the modules are called and however deep they lie."""
    forward = forward_of(model)
    parameters = trainable_parameters(forward.graph, forward.weights)
    blocks = find_blocks(forward.graph, parameters)
    assert {drift: usual_target(blocks, drift).blocks for drift in DRIFTS} == TARGETS[model]
    assert blocks.names == TARGETS[model]["full"]
    assert select(parameters, blocks.names, blocks.names) == parameters


@pytest.mark.parametrize(("model", "middle"), [("resnet26", "layer2"), ("bottleneck_net", "layer2")])
def test_every_part_is_a_target(model: str, middle: str) -> None:
    """What single drifts train, and the stages between the front and the last one, from the input to the output."""
    forward = forward_of(f"settled_models:{model}")
    found = targets(find_blocks(forward.graph, trainable_parameters(forward.graph, forward.weights)))
    assert [target.drift for target in found] == ["input", "feature", "feature", "output", "full"]
    usual = {target.drift: target.blocks for target in found if target.is_usual}
    assert usual == TARGETS[f"settled_models:{model}"]
    assert [target.blocks for target in found if not target.is_usual] == [(middle,)]


RESIDUAL_BLOCKS = {
    "settled_models:resnet26": [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(4)],
    "settled_models:bottleneck_net": ["layer1.0", "layer2.0", "layer3.0"],
    "tiny_models:tiny_deep": ["layer1", "layer2", "layer3"],
    "mobile_models:mobilenet_v2_like": [f"features.{block}" for block in range(1, 7)],
    "mobile_models:mobilenet_v3_like": [f"features.{block}" for block in range(1, 6)],
}


@pytest.mark.parametrize("model", list(RESIDUAL_BLOCKS))
def test_the_residual_blocks(model: str) -> None:
    """One by one in the order of the graph: inside a stage, or next to each other; parts of a block are none."""
    forward = forward_of(model)
    blocks = find_blocks(forward.graph, trainable_parameters(forward.graph, forward.weights))
    assert list(blocks.residual_blocks) == RESIDUAL_BLOCKS[model]


def test_the_targets_of_numbered_blocks() -> None:
    """Blocks of one resolution are trained together, and the plan is named by the first and the last of them."""
    forward = forward_of("mobile_models:full_mobilenet_v2")
    found = targets(find_blocks(forward.graph, trainable_parameters(forward.graph, forward.weights)))
    middle = ["features.2-3", "features.4-6", "features.7-13"]
    assert [target.name for target in found if not target.is_usual] == middle
    assert next(target.name for target in found if target.drift == "feature" and target.is_usual) == "features.14-18"
    assert Target("feature", ("layer2",)).name == "layer2"
    assert Target("input", ("conv1", "layer1")).name == "conv1-layer1"
    assert Target("feature", tuple("abcd")).name == "a-d"
    assert Target("feature", ("net/conv1", "net/conv2")).name == "net.conv1-net.conv2"


@pytest.mark.parametrize("letter", ["m", "ü", "層"])
def test_a_target_with_long_names(letter: str) -> None:
    """A folder is named after it; what differs between modules are begin and end."""
    name = Target("feature", (f"net.{letter * 300}.conv1",)).name
    assert len(name.encode()) <= LONGEST_ID - len("feature--frozen-adamw-int8")
    assert name.startswith(f"net.{letter}")
    assert name.endswith(f"{letter}.conv1")


def test_the_only_stage_is_a_target_of_its_own() -> None:
    """It belongs to the front too: an input drift trains the stem with it."""
    blocks = Blocks(("stem",), ("stem", "stage"), (("stage",),), (), ("head",))
    assert targets(blocks) == (
        Target("input", ("stem", "stage")),
        Target("feature", ("stage",)),
        Target("output", ("head",)),
        Target("full", ("stem", "stage", "head")),
    )


def test_the_parameters_of_resnet26() -> None:
    """Scale and shift of a norm belong to its block, the last norm to none but `full`; statistics are no parameters."""
    forward = forward_of("settled_models:resnet26")
    parameters = trainable_parameters(forward.graph, forward.weights)
    assert not [name for name in parameters if "running" in name]
    front = select(parameters, RESNET26["input"], [])
    assert front[:4] == ["conv1.weight", "layer1.0.bn1.weight", "layer1.0.bn1.bias", "layer1.0.conv1.weight"]
    assert len(front) == 1 + 4 * 6
    assert select(parameters, ("fc",), []) == ["fc.weight", "fc.bias"]
    assert len(parameters) == 1 + 3 * 4 * 6 + 2 + 2
    tensors = [forward.graph.initializers[name].const_value for name in parameters]
    assert sum(tensor.size for tensor in tensors if tensor is not None) == 366_938  # As the paper says.


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (("layer1.0",), 6),
        (("layer1.0.conv1.weight",), 1),
        (("bn",), 2),
        (("fc", "conv1"), 3),
    ],
)
def test_a_block_is_any_start_of_a_name(blocks: tuple[str, ...], expected: int) -> None:
    """At a dot: `bn` is not `bn1`, and `layer1` would not be `layer10`."""
    forward = forward_of("settled_models:resnet26")
    parameters = trainable_parameters(forward.graph, forward.weights)
    chosen = select(parameters, blocks, [])
    assert len(chosen) == expected
    assert chosen == [name for name in parameters if name in chosen]


def test_an_unknown_block_lists_the_known_ones() -> None:
    forward = forward_of("settled_models:resnet26")
    parameters = trainable_parameters(forward.graph, forward.weights)
    names = find_blocks(forward.graph, parameters).names
    with pytest.raises(TbftError, match="the model has no block 'layer9'") as caught:
        select(parameters, ("layer1", "layer9"), names)
    assert caught.value.hint == "blocks: conv1, layer1, layer2, layer3, bn, fc"


def test_a_network_of_two_layers_has_no_stage() -> None:
    """What is left to train is its head, and everything."""
    forward = forward_of("odd_models:plain_chain")
    blocks = find_blocks(forward.graph, trainable_parameters(forward.graph, forward.weights))
    assert (blocks.stem, blocks.stages, blocks.rear) == (("0",), (), ("4",))
    assert [target.drift for target in targets(blocks)] == ["output", "full"]


def described(model: str, *trained: str) -> dict[str, int]:
    forward = forward_of(model)
    blocks = describe_blocks(forward.graph, forward.weights, trained)
    assert sum(block.parameters for block in blocks) == sum(
        forward.graph.initializers[name].const_value.size  # type: ignore[union-attr]
        for name in trainable_parameters(forward.graph, forward.weights)
    )
    return {block.name: block.parameters for block in blocks}


@pytest.mark.parametrize("model", list(TARGETS))
def test_every_parameter_belongs_to_a_block_of_the_drawing(model: str) -> None:
    """The drawing shows the blocks that drifts choose from, in the order of the graph, and leaves none out."""
    assert tuple(described(model, *TARGETS[model]["feature"])) == TARGETS[model]["full"]


def test_a_block_that_is_trained_in_part_is_opened() -> None:
    """Marking all of `layer2` would say more than was trained; down to a single tensor if need be."""
    whole = described("settled_models:resnet26", "layer2")
    parts = described("settled_models:resnet26", "layer2.0", "layer3.1.conv2.weight")
    assert list(parts) == [
        *("conv1", "layer1", "layer2.0", "layer2.1", "layer2.2", "layer2.3", "layer3.0"),
        *(f"layer3.1.{layer}" for layer in ("bn1", "conv1", "bn2", "conv2.weight")),
        *("layer3.2", "layer3.3", "bn", "fc"),
    ]
    for stage in ("layer2", "layer3"):
        assert sum(count for name, count in parts.items() if name.startswith(stage)) == whole[stage]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("odd_models:plain_chain", ["0", "4"]),
        ("odd_models:joined", ["conv1", "left", "right", "fc"]),
    ],
)
def test_a_network_without_stages_is_drawn_by_its_modules(model: str, expected: list[str]) -> None:
    """An export with --block works for any network, so the drawing has to."""
    assert list(described(model)) == expected


def test_parameters_of_unusual_names() -> None:
    """Names of one part, and some that begin like others, neither fail nor end up in the wrong block."""
    names = {"a": "scale", "b": "m", "c": "m.w", "d": "m.w.x"}
    model = parse(
        "g (float[n, 2] x) => (float[n, 2] y) { p = Mul(x, a) q = Mul(p, b) r = Mul(q, c) y = Mul(r, d) }",
        **{name: np.ones(2, np.float32) for name in names},
    )
    for value in list(model.graph.initializers.values()):
        value.name = names[value.name or ""]
    blocks = describe_blocks(model.graph, frozenset(names.values()), ["m.w.x"])
    assert blocks == tuple(Block(name, 2) for name in names.values())
