"""Filters that are standardised: the norm of weights by their own statistics is trained through."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from support.covers import covers
from support.layers_between import spread
from support.network_gradients import assert_gradients_are_pytorchs, traced

IMAGES = np.random.default_rng(0).standard_normal((4, 3, 8, 8), np.float32)


class Standardised(nn.Conv2d):
    """As timm writes it: a batch norm of each filter, with a gain that is trained."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.gain = spread(nn.Parameter(torch.ones(outputs)))

    def forward(self, x: Tensor) -> Tensor:
        flat = self.weight.reshape(1, self.out_channels, -1)
        filters = functional.batch_norm(flat, None, None, weight=self.gain, training=True, eps=1e-3)
        return functional.conv2d(x, filters.reshape_as(self.weight), self.bias, padding=1)


def network() -> nn.Module:
    torch.manual_seed(0)
    convolutions = (Standardised(3, 6), nn.ReLU(), Standardised(6, 8), nn.ReLU())
    return nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


@covers("WriteOutOwnStatisticsPass")
def test_gradients() -> None:
    """Those of filters, gains and biases are PyTorch's."""
    assert_gradients_are_pytorchs(network(), IMAGES, np.arange(4))


def test_no_norm_is_left() -> None:
    """Else a plan would name running averages that there are not."""
    assert "BatchNormalization" not in {node.op_type for node in traced(network(), IMAGES).graph}


def test_norms_of_images_stay() -> None:
    """Their statistics are weights."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5))
    assert "BatchNormalization" in {node.op_type for node in traced(net, IMAGES).graph}
