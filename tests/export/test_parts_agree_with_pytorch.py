"""Ghost batch norm: ten steps whose batches are normalised part by part end where PyTorch's end."""

from __future__ import annotations

import msgspec
import pytest

from support import settled_models
from support.agreement import train_bundle, train_torch
from support.batches import random_batches
from support.exports import Exporter
from support.ten_steps import HYPER, TOLERANCES, assert_close, network
from tbft_artifacts.plan import BatchNormPolicy, Drift, OptimizerKind

# Parts that come out even, that do not, and a batch too small for two of them.
SIZES = (12, 13, 8, 11, 5) * 2
PART = 4


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "drift", "policy", "kind"),
    [
        ("resnet26", "input", "batch", "sgd"),
        ("resnet26", "feature", "block", "adamw"),
        ("resnet18_like", "full", "batch", "sgd"),
        # The frozen part in front is normalised in the same parts.
        ("bottleneck_net", "feature", "batch", "sgd"),
        ("mobilenet_v2_like", "full", "batch", "sgd"),
    ],
)
def test_ten_steps(exported: Exporter, name: str, drift: Drift, policy: BatchNormPolicy, kind: OptimizerKind) -> None:
    """Weights, optimizer and running averages: each part by its own statistics, gradients of all, averages of all."""
    module, _ = network(name)
    batches = random_batches(SIZES, settled_models.IMAGE_SIZES[name], settled_models.CLASSES[name], seed=1)
    bundle = exported(name, drift, policy)
    plan = msgspec.structs.replace(bundle.plan(), statistics_part=PART)
    found, decisions = train_bundle(bundle, plan, HYPER[kind], batches)
    assert len(decisions) == 2 * (3 + 3 + 2 + 2 + 1)
    expected, adopted = train_torch(module, plan, HYPER[kind], batches, decisions)
    assert_close(found, expected, adopted, decisions, TOLERANCES[kind])
