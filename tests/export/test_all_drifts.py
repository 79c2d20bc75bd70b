"""`--drift all` writes one bundle with a plan for every block, each the plan of a bundle of its own."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch

from support.agreement import Hyper, relative_errors, train_bundle, train_torch
from support.batches import random_batches
from support.bundles import ALL_PLANS
from support.exports import Exporter
from support.settled_models import CLASSES, IMAGE_SIZES, resnet18_like
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import STATISTICS, WEIGHTS
from tbft_artifacts.plan import PREDICT, Plan
from tbft_export import ExportOptions, export_bundle

NETWORK = "resnet18_like"
HYPER = Hyper(lr=0.01, momentum=0.9, weight_decay=5e-4)
SINGLE = ("input", "feature", "output", "full")


@pytest.fixture(scope="module")
def bundle(exported: Exporter) -> Bundle:
    """Every plan of a network with three stages."""
    return exported(NETWORK, "all", None)


def graphs(bundle: Bundle, plan: Plan) -> dict[str, str]:
    """Hashes of a plan's graphs by their name inside its folder."""
    folder = plan.file("")
    return {
        name.removeprefix(folder): entry.sha256
        for name, entry in bundle.manifest.files.items()
        if name.startswith(folder)
    }


@pytest.mark.long
def test_there_is_a_plan_for_every_block(bundle: Bundle) -> None:
    """Front, each later stage, head, everything; in the order of the network."""
    assert tuple(plan.id for plan in bundle.manifest.plans) == ALL_PLANS
    front, middle, late, head, full = (plan.blocks for plan in bundle.manifest.plans)
    assert (front, middle, late, head) == (("conv1", "bn1", "layer1"), ("layer2",), ("layer3",), ("fc",))
    assert full == tuple(block.name for block in bundle.manifest.blocks) == (*front, *middle, *late, *head)


@pytest.mark.long
@pytest.mark.parametrize("drift", SINGLE)
def test_each_plan_is_that_of_a_bundle_for_one_drift(exported: Exporter, bundle: Bundle, drift: str) -> None:
    """Same id, figures and graphs, byte for byte: what is tested of one holds for the other."""
    single = exported(NETWORK, drift, None)  # type: ignore[arg-type]
    expected = single.plan()
    assert bundle.plan(expected.id) == bundle.manifest.plan_for(drift) == expected
    assert graphs(bundle, expected) == graphs(single, expected)
    for name in (WEIGHTS, PREDICT, STATISTICS):
        assert bundle.manifest.files[name] == single.manifest.files[name]


@pytest.mark.long
def test_a_plan_between_is_that_of_a_named_block(bundle: Bundle, tmp_path: Path) -> None:
    """`--drift feature --block layer2`, under an id that tells it from the last stage's."""
    options = ExportOptions(
        f"support.settled_models:{NETWORK}", "feature", blocks=("layer2",), image_size=IMAGE_SIZES[NETWORK]
    )
    export_bundle(options, tmp_path / "bundle")
    single = open_bundle(tmp_path / "bundle")
    plan = bundle.plan("feature-layer2-block-sgd")
    assert msgspec.structs.replace(plan, id="feature-block-sgd") == single.plan()
    assert graphs(bundle, plan) == graphs(single, single.plan())


@pytest.mark.parametrize("plan_id", ALL_PLANS)
def test_a_step_of_each_plan_is_pytorchs(bundle: Bundle, plan_id: str) -> None:
    """Loss, every trained tensor and every running average after two steps."""
    plan = bundle.plan(plan_id)
    batches = random_batches((4, 3), IMAGE_SIZES[NETWORK], CLASSES[NETWORK], seed=1)
    found, decisions = train_bundle(bundle, plan, HYPER, batches)
    expected, adopted = train_torch(resnet18_like(), plan, HYPER, batches, decisions)
    assert adopted <= 1
    assert found.losses == pytest.approx(expected.losses, rel=1e-4)
    errors = relative_errors(found.tensors, expected.tensors)
    assert {name: error.max() for name, error in errors.items() if not error.max() <= 1e-4} == {}


def test_there_is_one_copy_of_the_weights(bundle: Bundle) -> None:
    """The official artifacts hold them again for each plan, so they are written when asked for alone."""
    assert not [name for name in bundle.manifest.files if "ort_training" in name]
    assert [name for name in bundle.manifest.files if name.endswith(".safetensors")] == [WEIGHTS]
    whole = sum(tensor.nbytes for tensor in resnet18_like().state_dict().values() if tensor.dtype == torch.float32)
    assert bundle.manifest.files[WEIGHTS].bytes < whole + 10_000


def tiny_options(model: str = "tiny", **changes: object) -> ExportOptions:
    options = {"model": f"support.tiny_models:{model}", "drift": "all", "image_size": 8, **changes}
    return ExportOptions(**options)  # type: ignore[arg-type]


def test_one_policy_and_one_optimizer_for_all(tmp_path: Path) -> None:
    """What is given holds for every plan, and an archive holds them all."""
    written = export_bundle(tiny_options(batch_norm="frozen", optimizer="adamw", lr=0.5), tmp_path / "bundle.tar.gz")
    plans = written.manifest.plans
    assert [plan.id for plan in plans] == [f"{drift}-frozen-adamw" for drift in SINGLE]
    assert {(plan.batch_norm, plan.optimizer.kind, plan.optimizer.lr) for plan in plans} == {("frozen", "adamw", 0.5)}
    assert len(written.checks) == len(plans)
    assert all(check.passed for check in written.checks)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.tar.gz"]


REFUSED = {
    "block": (tiny_options(blocks=("layer2",)), "`drift` all finds the blocks itself", "`blocks`"),
    "no gradient": (
        tiny_options("tiny_without_gradient"),
        "plan input-batch-sgd: operator Round",
        "train a block behind",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_have_all_plans(case: str, tmp_path: Path) -> None:
    """Nothing is written, and where a plan is at fault it is named."""
    options, said, hint = REFUSED[case]
    with pytest.raises(TbftError) as caught:
        export_bundle(options, tmp_path / "bundle")
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert list(tmp_path.iterdir()) == []
