"""What is said to block a gradient before one is built is what blocks it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.layers_between import Between, Function, layers
from support.network_gradients import traced
from tbft_export.compile.differentiable import untrainable
from tbft_export.pipeline import PassRunner
from tbft_export.training_plan import TrainingPlan


def blocking(net: Between) -> tuple[str, ...]:
    parameters = tuple(name for name, _ in net.named_parameters())
    plan = TrainingPlan("full", "full", None, (), parameters, "frozen", 0.1)
    return untrainable(traced(net, np.zeros((2, 3, 6, 6), np.float32)), plan, PassRunner())


@pytest.mark.parametrize("name", list(layers()))
def test_nothing_blocks_a_layer_that_is_trained(name: str) -> None:
    """Their gradients are compared with PyTorch's in test_layers_in_networks.py."""
    function, own = layers()[name]
    assert blocking(Between(function, **own)) == ()


@pytest.mark.parametrize(
    ("function", "operator"),
    [(lambda _, x: x + torch.round(x), "Round"), (lambda _, x: x * torch.sign(x), "Sign")],
    ids=["round", "sign"],
)
def test_a_layer_without_a_gradient_is_named(function: Function, operator: str) -> None:
    assert blocking(Between(function)) == (f"operator {operator} at node '/{operator}' has no gradient here",)
