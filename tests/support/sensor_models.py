"""Networks of small devices: two of MLPerf Tiny, and one of a sensor's windows. Host only.

MLPerf Tiny's reference models are Keras; these have their layers, seeded weights, and batch norms that matter.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from support.tiny_models import PostActivationBlock, shake

KEYWORDS = 12


class ResNet8(nn.Module):
    """MLPerf Tiny's image classification: (N, 3, 32, 32) -> (N, 10), three blocks of 16, 32 and 64 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(PostActivationBlock(16, 16, 1))
        self.layer2 = nn.Sequential(PostActivationBlock(16, 32, 2))
        self.layer3 = nn.Sequential(PostActivationBlock(32, 64, 2))
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer3(self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x))))))
        logits: Tensor = self.fc(y.mean(dim=(2, 3)))
        return logits


class DsCnn(nn.Module):
    """MLPerf Tiny's keyword spotting: spectrograms (N, 1, 49, 10) -> (N, 12), depthwise separable convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 64, (10, 4), 2, (5, 1), bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.blocks = nn.Sequential(*(_separable(64) for _ in range(4)))
        self.fc = nn.Linear(64, KEYWORDS)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.blocks(self.stem(x)).mean(dim=(2, 3)))
        return logits


def _separable(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


def resnet8() -> nn.Module:
    torch.manual_seed(0)
    return shake(ResNet8(), seed=1)


def ds_cnn() -> nn.Module:
    torch.manual_seed(0)
    return shake(DsCnn(), seed=1)


def motion() -> nn.Module:
    """Windows (N, 3, 32) -> (N, 4): three stages along time."""
    torch.manual_seed(0)
    parts = OrderedDict(
        conv1=nn.Conv1d(3, 8, 5, 1, 2, bias=False),
        bn1=nn.BatchNorm1d(8),
        relu=nn.ReLU(),
        layer1=_along_time(8, 8, 1),
        layer2=_along_time(8, 12, 2),
        layer3=_along_time(12, 16, 2),
        pool=nn.AdaptiveAvgPool1d(1),
        flat=nn.Flatten(1),
        fc=nn.Linear(16, 4),
    )
    return nn.Sequential(parts)


def _along_time(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, 5, stride, 2, bias=False),
        nn.BatchNorm1d(outputs),
        nn.ReLU(),
        nn.Conv1d(outputs, outputs, 3, 1, 1, bias=False),
        nn.BatchNorm1d(outputs),
        nn.ReLU(),
    )
