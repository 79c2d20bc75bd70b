"""TinyTrain's plans: the head, channels of everything behind some depths, and the network before them frozen."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import onnx_ir as ir
import pytest

from support.exports import forward_of
from support.onnx_models import parse
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy
from tbft_artifacts.sparse import SparseLayer
from tbft_export import ExportOptions, export_bundle
from tbft_export.check import sparse as sparse_check
from tbft_export.convolutions.sparse import sparse_layers
from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings import conv_rows
from tbft_export.methods import tinytrain
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import plan_training
from tbft_export.training_plan import TrainingPlan

STARTS = {
    "tiny_models:tiny_deep": ["conv1", "layer2", "layer3"],
    "tiny_models:resnet26": ["conv1", "layer2.2", "layer3.1", "layer3.2"],
    "mobile_models:mobilenet_v2_like": ["features.0.0", "features.3", "features.4", "features.5"],
    "mobile_models:mobilenet_v3_like": ["features.0.0", "features.3", "features.4", "features.5"],
}


@cache
def network(name: str) -> Network:
    return Network(forward_of(name))


def plans(name: str, top_blocks: int | None = None) -> tuple[TrainingPlan, ...]:
    return plan_training("tinytrain", network(name), MethodOptions(top_blocks=top_blocks))


@pytest.mark.parametrize("name", list(STARTS))
def test_plans_begin_at_blocks_from_the_deepest_on(name: str) -> None:
    """Inside a block without a shortcut none begins, though a cut would be possible there."""
    assert [plan.label for plan in plans(name)] == [f"tinytrain-{start}" for start in STARTS[name]]


@pytest.mark.parametrize("name", list(STARTS))
def test_a_plan_has_every_convolution_from_its_start_on(name: str) -> None:
    """As the graph reads them; and the head's weight and bias, which are trained whatever is chosen."""
    parameters = network(name).parameters
    convolutions = [node.inputs[1].name for node in network(name).forward.graph if node.op_type == "Conv"]  # type: ignore[union-attr]
    for plan in plans(name):
        assert list(plan.sparse) == convolutions[-len(plan.sparse) :]
        assert plan.sparse[0].startswith(plan.label.removeprefix("tinytrain-"))
        assert plan.parameters == parameters[-2:]
        assert plan.policy == "frozen"


def test_each_plan_has_about_half_of_the_backward_pass_of_the_one_before() -> None:
    flops = [sum(map(whole, layers_of(plan))) for plan in plans("tiny_models:resnet26")]
    for before, after in pairwise(flops):
        assert 0.3 < after / before < 0.7


def layers_of(plan: TrainingPlan) -> tuple[SparseLayer, ...]:
    return sparse_layers(network("tiny_models:resnet26").forward.graph, plan.sparse)


def whole(layer: SparseLayer) -> int:
    return layer.shape[0] * layer.row_flops


@pytest.mark.parametrize(("top_blocks", "start"), [(1, "layer3.3"), (5, "layer2.3"), (12, "layer1.0")])
def test_top_blocks_say_where_the_deepest_begins(top_blocks: int, start: str) -> None:
    assert plans("tiny_models:resnet26", top_blocks)[0].label == f"tinytrain-{start}"


def test_more_blocks_than_there_are_are_refused() -> None:
    with pytest.raises(TbftError, match="12 residual blocks where a plan could begin, not 13") as caught:
        plans("tiny_models:resnet26", 13)
    assert "`top_blocks`" in caught.value.hint


def test_the_last_part_may_have_more_than_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plan has at most half then; the one that begins there has the least."""
    monkeypatch.setattr(tinytrain, "SMALL_NETWORK", 0)
    assert [plan.label for plan in plans("odd_models:heavy_end")] == ["tinytrain-conv2"]


def test_of_a_large_network_the_deepest_plan_has_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tinytrain, "SMALL_NETWORK", 1e6)
    deepest, *_ = plans("tiny_models:resnet26")
    everything = sum(map(whole, layers_of(plans("tiny_models:resnet26", 12)[0])))
    assert 0.4 < sum(map(whole, layers_of(deepest))) / everything <= 0.5


def test_floating_point_operations_of_a_row() -> None:
    """ResNet-26's first convolution: 32 x 32 pixels, 3 channels, 3 x 3."""
    first, *_ = sparse_layers(network("tiny_models:resnet26").forward.graph, ("conv1.weight",))
    assert first == SparseLayer("conv1.weight", (16, 3, 3, 3), row_flops=2 * 32 * 32 * 3 * 3 * 3)


@pytest.mark.parametrize("policy", ["block", "batch"])
def test_batch_statistics_are_refused(tmp_path: Path, policy: BatchNormPolicy) -> None:
    """With them no image has a loss of its own, whose gradient Fisher information is of."""
    options = ExportOptions("support.tiny_models:tiny", method="tinytrain", batch_norm=policy, image_size=8)
    with pytest.raises(TbftError, match=f"`batch_norm` {policy}") as caught:
        export_bundle(options, tmp_path / "bundle")
    assert "`batch_norm` frozen" in (caught.value.hint or "")
    assert not (tmp_path / "bundle").exists()


SHARED = """g (float[n,2,4,4] x, float[2,2,1,1] w) => (float[n,2,4,4] z) { y = Conv(x, w)  z = Conv(y, w) }"""


@pytest.mark.parametrize("weight", ["w", "v"])
def test_only_weights_of_one_convolution_have_channels(weight: str) -> None:
    """A weight that two convolutions share has the sum of two gradients."""
    with pytest.raises(TbftError, match=f"'{weight}' is not the weight of exactly one"):
        sparse_layers(parse(SHARED).graph, (weight,))


def test_wrong_scores_fail_the_self_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = sparse_check.reference_fisher
    doubled = lambda *args, **how: {name: 2 * scores for name, scores in original(*args, **how).items()}  # noqa: E731
    monkeypatch.setattr(sparse_check, "reference_fisher", doubled)
    with pytest.raises(TbftError, match=r"disagree with PyTorch.*weight\.fisher"):
        export_bundle(ExportOptions("support.tiny_models:tiny", method="tinytrain", image_size=8), tmp_path / "bundle")


def test_wrong_rows_fail_the_self_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = conv_rows._merged_products

    def doubled(emit: Emitter, *operands: object) -> ir.Value:
        product = original(emit, *operands)  # type: ignore[arg-type]
        return emit.op("Add", product, product)

    monkeypatch.setattr(conv_rows, "_merged_products", doubled)
    with pytest.raises(TbftError, match=r"disagree with PyTorch.*weight\.rows"):
        export_bundle(ExportOptions("support.tiny_models:tiny", method="tinytrain", image_size=8), tmp_path / "bundle")
