"""The networks of the zoo that need no other package: from the real export to ten steps that PyTorch makes, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.zoo.networks import BY_NAME, NETWORKS
from benchmarks.zoo.trial import try_network
from support.commands import DEVICE

QUICK = [network.name for network in NETWORKS if network.quick]
SMALLEST = ("lenet", "mlp")


@pytest.mark.parametrize(
    "name", [name if name in SMALLEST else pytest.param(name, marks=pytest.mark.long) for name in QUICK]
)
def test_a_network_trains(tmp_path: Path, name: str) -> None:
    """Head, last stage and everything, each within the bound of float64; nothing is refused."""
    tried = try_network(BY_NAME[name], DEVICE / "python", tmp_path)
    assert not tried.refused
    assert tried.left_out == {}
    assert [plan.drift for plan in tried.plans] == ["output", "feature", "full"]
    assert max(plan.of_bound for plan in tried.plans) <= 1
