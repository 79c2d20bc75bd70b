"""Ten steps of a bundle, from the same weights on the same batches, end where ten steps of PyTorch end."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from support import settled_models
from support.agreement import train_bundle, train_torch
from support.exports import Exporter
from support.ten_steps import HYPER, TOLERANCES, assert_agrees, assert_close, network
from tbft_artifacts.plan import BatchNormPolicy, Drift, OptimizerKind

DRIFTS: tuple[Drift, ...] = get_args(Drift)
POLICIES: tuple[BatchNormPolicy, ...] = ("frozen", "batch")
SMALLEST = "resnet18_like"
NAMES = [SMALLEST, *(pytest.param(name, marks=pytest.mark.long) for name in settled_models.RESNETS if name != SMALLEST)]


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("name", NAMES)
def test_ten_steps(exported: Exporter, name: str, drift: Drift, policy: BatchNormPolicy, kind: OptimizerKind) -> None:
    """The compiler, the optimizers and the device's step together compute what PyTorch computes."""
    module, batches = network(name)
    assert_agrees(exported(name, drift, policy), module, kind, HYPER[kind], batches)


@pytest.mark.parametrize(
    ("name", "drift", "policy"),
    [("resnet26", "feature", "frozen"), ("resnet18_like", "full", "batch"), ("bottleneck_net", "input", "frozen")],
)
def test_ten_steps_of_adam(exported: Exporter, name: str, drift: Drift, policy: BatchNormPolicy) -> None:
    """Adam adds weight decay to the gradient, AdamW does not."""
    module, batches = network(name)
    assert_agrees(exported(name, drift, policy), module, "adam", HYPER["adam"], batches)


@pytest.mark.parametrize(
    ("name", "drift", "policy"),
    [("resnet26", "feature", "frozen"), ("resnet26", "input", "batch"), ("resnet18_like", "full", "frozen")],
)
def test_ten_steps_in_the_direct_form(exported: Exporter, name: str, drift: Drift, policy: BatchNormPolicy) -> None:
    """The default is Winograd's, where convolutions suit it; a device may find the direct one faster."""
    module, batches = network(name)
    bundle = exported(name, drift, policy)
    assert bundle.plan().gradient_forms == ("winograd", "direct")
    assert_agrees(bundle, module, "sgd", HYPER["sgd"], batches, "direct")


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("name", settled_models.RESNETS)
def test_ten_steps_of_a_block(exported: Exporter, name: str, kind: OptimizerKind) -> None:
    """`block`: norms behind the boundary use the batch's statistics and move, those before it stay fixed."""
    module, batches = network(name)
    bundle = exported(name, "feature", "block")
    norms = [norm.mean for norm in bundle.manifest.batch_norms]
    behind = bundle.plan().batch_statistics
    assert 0 < len(behind) < len(norms)
    assert behind == tuple(norms[-len(behind) :])
    assert_agrees(bundle, module, kind, HYPER[kind], batches)


def test_ten_steps_of_a_block_after_adaptation(exported: Exporter) -> None:
    """`adapt` on a `block` plan: every statistic is re-estimated, then those behind the boundary go on moving."""
    module, batches = network("resnet26")
    bundle = exported("resnet26", "feature", "block")
    plan = msgspec.structs.replace(bundle.plan(), batch_norm="adapt")
    found, decisions = train_bundle(bundle, plan, HYPER["sgd"], batches)
    expected, adopted = train_torch(module, plan, HYPER["sgd"], batches, decisions)
    assert_close(found, expected, adopted, decisions, TOLERANCES["sgd"])


@pytest.mark.parametrize(("drift", "like"), [("input", "batch"), ("full", "batch"), ("output", "frozen")])
def test_a_block_with_nothing_on_one_side(exported: Exporter, drift: Drift, like: BatchNormPolicy) -> None:
    """Without norms before the boundary `block` is `batch`, without norms behind it `frozen`: graph by graph."""
    block, other = exported("resnet18_like", drift, "block"), exported("resnet18_like", drift, like)
    assert block.plan().batch_statistics == other.plan().batch_statistics
    assert block.plan().cost == other.plan().cost
    names = ["suffix.onnx", "gradient.onnx", "update.onnx", *(["prefix.onnx"] if block.plan().has_prefix else [])]
    for name in names:
        assert block.path(block.plan().file(name)).read_bytes() == other.path(other.plan().file(name)).read_bytes()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize(("name", "drift"), [("resnet26", "feature"), ("resnet18_like", "input")])
def test_ten_steps_after_adaptation(exported: Exporter, name: str, drift: Drift, kind: OptimizerKind) -> None:
    """`adapt` re-estimates every running statistic in one pass, then trains with them fixed."""
    module, batches = network(name)
    assert_agrees(exported(name, drift, "adapt"), module, kind, HYPER[kind], batches)
