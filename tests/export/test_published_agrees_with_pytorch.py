"""Ten steps of the published ResNet-26 end where ten steps of PyTorch end, where it lies beside the checkout."""

from __future__ import annotations

import pytest

from support.agreement import Hyper
from support.exports import REAL, REAL_IMAGES, REAL_WEIGHTS, Exporter, real_batches
from support.ten_steps import SIZES, assert_agrees
from tbft_artifacts.plan import BatchNormPolicy, Drift, OptimizerKind
from tbft_export.sources.resnet26 import ResNet26
from tbft_export.sources.weights import load_into, read_state_dict

# What the authors of the checkpoint used, and a tenth of their rate for Adam, whose sharper weights need it.
REAL_HYPER: dict[OptimizerKind, Hyper] = {
    "sgd": Hyper(lr=1e-3, momentum=0.9, weight_decay=5e-4),
    "adamw": Hyper(lr=1e-4, momentum=0.9, weight_decay=0.01),
}
# The published network has smaller weights: what ten steps of 1e-4 there and back move is more of the largest.
REAL_TOLERANCES: dict[OptimizerKind, float] = {"sgd": 1e-4, "adamw": 2e-3}


@pytest.mark.long
@pytest.mark.skipif(
    not (REAL_WEIGHTS.exists() and REAL_IMAGES.exists()), reason=f"needs {REAL_WEIGHTS.name} and photos"
)
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize(
    ("drift", "policy"),
    [("input", "batch"), ("feature", "frozen"), ("feature", "block"), ("output", "frozen"), ("full", "batch")],
)
def test_ten_steps_of_the_published_resnet26(
    exported: Exporter, drift: Drift, policy: BatchNormPolicy, kind: OptimizerKind
) -> None:
    """Trained weights on real photos: gradients and statistics of real sizes."""
    module = ResNet26()
    load_into(module, read_state_dict(REAL_WEIGHTS), REAL_WEIGHTS)
    batches = real_batches(SIZES, seed=0)
    assert_agrees(exported(REAL, drift, policy), module, kind, REAL_HYPER[kind], batches, tolerances=REAL_TOLERANCES)
