"""A small network of a motion sensor's windows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS, ACTIVITIES = 6, 6


def stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Two convolutions along time; the first takes every `stride`-th sample."""
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, 5, stride, 2, bias=False),
        nn.BatchNorm1d(outputs),
        nn.ReLU(),
        nn.Conv1d(outputs, outputs, 5, 1, 2, bias=False),
        nn.BatchNorm1d(outputs),
        nn.ReLU(),
    )


class MotionNet(nn.Module):
    """Windows (N, 6, 128) -> logits (N, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(CHANNELS, 16, 5, 1, 2, bias=False)
        self.bn1 = nn.BatchNorm1d(16)
        self.layer1 = stage(16, 16, 2)
        self.layer2 = stage(16, 32, 2)
        self.layer3 = stage(32, 64, 2)
        self.fc = nn.Linear(64, ACTIVITIES)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6, 128) -> (N, 6)."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        return self.fc(y.mean(dim=2))  # type: ignore[no-any-return]


def motion_net() -> nn.Module:
    """What `tbft-edge export --model demo.sensor_network:motion_net` compiles."""
    return MotionNet()
