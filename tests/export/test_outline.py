"""What is said of an export before anything is compiled, against what is compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.settled_models import IMAGE_SIZES
from tbft_edge.tables.outline import spoken
from tbft_export import ExportOptions, Outline, export_bundle, outline_export

ROUNDS = "support.tiny_models:tiny_without_gradient"


def outlined(model: str, **options: object) -> Outline:
    size = IMAGE_SIZES.get(model, 32)
    named = f"support.{model}" if ":" in model else f"support.settled_models:{model}"
    return outline_export(ExportOptions(named, image_size=size, **{"drift": "all", **options}))  # type: ignore[arg-type]


@pytest.mark.long
@pytest.mark.parametrize("model", ["resnet18_like", "families:vgg", "families:mobilenet_v1"])
def test_plans_are_those_of_the_export(tmp_path: Path, model: str) -> None:
    """The same ids, blocks and parameters, and costs of about the same size."""
    found = outlined(model)
    options = ExportOptions(
        f"support.{model}" if ":" in model else f"support.settled_models:{model}",
        "all",
        image_size=IMAGE_SIZES.get(model, 32),
    )
    plans = export_bundle(options, tmp_path / "bundle").manifest.plans
    assert [(plan.id, plan.drift, plan.blocks) for plan in found.plans] == [
        (plan.id, plan.drift, plan.blocks) for plan in plans
    ]
    for estimate, plan in zip(found.plans, plans, strict=True):
        assert estimate.obstacles == ()
        assert estimate.cost.parameter_bytes == plan.cost.parameter_bytes
        assert estimate.cost.prefix_flops == plan.cost.prefix_flops
        assert estimate.cost.forward_flops == plan.cost.forward_flops
        assert estimate.cost.backward_flops == pytest.approx(plan.cost.backward_flops, rel=0.1)
        assert 0.4 < estimate.cost.activation_bytes / plan.cost.activation_bytes < 2.5


def test_parts_hold_everything() -> None:
    """Every parameter and operation of the network once, and what enters each part."""
    found = outlined("families:transformer")
    assert [part.kind for part in found.parts] == ["stem", "stage 1", "stage 2", "stage 3", "norm", "head"]
    assert sum(part.parameters for part in found.parts) == found.parameters
    full = next(plan for plan in found.plans if plan.drift == "full")
    assert sum(part.flops for part in found.parts) == full.cost.forward_flops
    assert [part.reads for part in found.parts] == [(3, 32, 32), *[(17, 12)] * 4, (12,)]
    assert found.parts[0].cut == "images"


@pytest.mark.long
@pytest.mark.parametrize("model", ["families:transformer", "families:mixer", "families:conv_next", "families:rep_vgg"])
def test_nothing_is_held_against_what_can_be_trained(tmp_path: Path, model: str) -> None:
    """Of networks whose whole compiles."""
    found = outlined(model, drift="full")
    assert found.plans[0].obstacles == ()
    export_bundle(ExportOptions(f"support.{model}", "full", image_size=32), tmp_path / "bundle")


def test_an_operator_without_a_gradient_is_named_with_its_layer() -> None:
    """Of the plans that train something before it, and of no others."""
    found = outline_export(ExportOptions(ROUNDS, "all", image_size=8))
    refused = {plan.drift: plan.obstacles for plan in found.plans if plan.obstacles}
    assert set(refused) == {"input", "full"}
    for (obstacle,) in refused.values():
        assert obstacle == "operator Round at node '/relu/Round' has no gradient here"


def test_modules_in_few_words() -> None:
    assert spoken(["features.4", "features.5", "features.6", "conv"]) == "features.4-6, conv"
    assert spoken(["layer1"]) == "layer1"
    assert spoken(["features.9", "features.11"]) == "features.9, features.11"
    assert spoken(list("abcdef")) == "a, b, c, …, f"
