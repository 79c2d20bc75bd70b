"""Ten steps of a bundle of a mobile network end where ten steps of PyTorch end."""

from __future__ import annotations

import pytest

from support import settled_models
from support.exports import Exporter
from support.ten_steps import HYPER, assert_agrees, network
from tbft_artifacts.plan import BatchNormPolicy, Drift


@pytest.mark.parametrize("masked", [False, True], ids=["exact", "masked"])
@pytest.mark.parametrize(
    ("drift", "policy"),
    [
        pytest.param("input", "batch", marks=pytest.mark.long),
        ("feature", "frozen"),
        ("feature", "block"),
        ("output", "frozen"),
        pytest.param("full", "frozen", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("name", settled_models.MOBILE)
def test_ten_steps_of_a_mobile_network(
    exported: Exporter, name: str, drift: Drift, policy: BatchNormPolicy, masked: bool
) -> None:
    """Inverted residual blocks with ReLU6, or hard-swish and squeeze-excite; exact, or masked as in MobileTL."""
    module, batches = network(name)
    bundle = exported(name, drift, policy, masked=masked)
    assert_agrees(bundle, module, "sgd", HYPER["sgd"], batches, masked=masked)
