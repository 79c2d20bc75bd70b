"""ResNet-26 for small images, the network of the Target Block Fine-Tuning paper.

Source: Y. Huang et al., "Towards Low-Energy Adaptive Personalization for Resource-Constrained
Devices", EuroMLSys 2024 (arXiv 2403.15905). A pre-activation residual network as He et al.
describe it ("Identity Mappings in Deep Residual Networks", 2016): a 3x3 stem without norm, three
stages of four blocks with 16, 32 and 64 channels, a last norm, average pool 8 and one linear layer.
Parameter names are those of the published checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGE_CHANNELS = (16, 32, 64)
BLOCKS_PER_STAGE = 4
POOL = 8


class ZeroPaddedShortcut(nn.Module):
    """Average pool by `stride`, then append zero channels up to `out_channels`.

    (N, C, H, W) -> (N, out_channels, H / stride, W / stride); it has no parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(stride)
        self.extra_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(self.pool(x), (0, 0, 0, 0, 0, self.extra_channels))


class PreActivationBlock(nn.Module):
    """norm-ReLU-conv-norm-ReLU-conv plus the shortcut, 3x3 convolutions."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        reshapes = stride != 1 or in_channels != out_channels
        self.shortcut: nn.Module = ZeroPaddedShortcut(in_channels, out_channels, stride) if reshapes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv1(functional.relu(self.bn1(x)))
        residual = self.conv2(functional.relu(self.bn2(residual)))
        return torch.add(self.shortcut(x), residual)


def _stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    first = PreActivationBlock(in_channels, out_channels, stride)
    rest = (PreActivationBlock(out_channels, out_channels, 1) for _ in range(BLOCKS_PER_STAGE - 1))
    return nn.Sequential(first, *rest)


class ResNet26(nn.Module):
    """(N, 3, image_size, image_size) float32 -> (N, classes) logits."""

    def __init__(self, classes: int = 10, image_size: int = 32) -> None:
        super().__init__()
        smallest_map = image_size // 4
        if image_size % 4 or smallest_map < POOL:
            raise ValueError(f"image size {image_size} is not a multiple of 4 of at least {4 * POOL}")
        front, middle, late = STAGE_CHANNELS
        self.conv1 = nn.Conv2d(3, front, 3, 1, 1, bias=False)
        self.layer1 = _stage(front, front, 1)
        self.layer2 = _stage(front, middle, 2)
        self.layer3 = _stage(middle, late, 2)
        self.bn = nn.BatchNorm2d(late)
        self.fc = nn.Linear(late * (smallest_map // POOL) ** 2, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        x = functional.avg_pool2d(functional.relu(self.bn(x)), POOL)
        logits: Tensor = self.fc(torch.flatten(x, 1))
        return logits
