"""MobileNetV2 and MobileNetV3 as torchvision names their parameters, in any width. Host only.

M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018 (arXiv 1801.04381);
A. Howard et al., "Searching for MobileNetV3", ICCV 2019 (arXiv 1905.02244).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from support.tiny_models import shake

CLASSES = 5


@dataclass(frozen=True)
class Inverted:
    """An inverted residual block: expand to `expanded` channels, depthwise, project to `outputs`."""

    kernel: int
    expanded: int
    outputs: int
    squeeze: bool
    hard_swish: bool
    stride: int


# Expansion, channels, blocks, stride of the first one (table 2 of the paper).
V2_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
V2_NARROW = ((1, 16, 1, 1), (3, 24, 2, 2), (3, 32, 2, 2), (3, 48, 1, 1))

# MobileNetV3-Small (table 2 of the paper).
V3_BLOCKS = (
    Inverted(3, 16, 16, True, False, 2),
    Inverted(3, 72, 24, False, False, 2),
    Inverted(3, 88, 24, False, False, 1),
    Inverted(5, 96, 40, True, True, 2),
    Inverted(5, 240, 40, True, True, 1),
    Inverted(5, 240, 40, True, True, 1),
    Inverted(5, 120, 48, True, True, 1),
    Inverted(5, 144, 48, True, True, 1),
    Inverted(5, 288, 96, True, True, 2),
    Inverted(5, 576, 96, True, True, 1),
    Inverted(5, 576, 96, True, True, 1),
)
V3_NARROW = (
    Inverted(3, 8, 8, True, False, 1),
    Inverted(3, 24, 12, False, False, 2),
    Inverted(5, 24, 12, True, True, 1),
    Inverted(5, 32, 16, True, True, 2),
    Inverted(3, 40, 16, True, True, 1),
)


def _rounded(channels: float) -> int:
    """A multiple of 8, at least nine tenths of `channels`."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _layer(
    inputs: int, outputs: int, kernel: int, activation: type[nn.Module] | None, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    parts = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*parts, *([] if activation is None else [activation()]))


class InvertedResidualV2(nn.Module):
    """Parts under `conv`: expansion (left out where it is 1), depthwise layer, projection, norm."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        parts: list[nn.Module] = [_layer(hidden, hidden, 3, nn.ReLU6, stride, hidden)]
        if expansion > 1:
            parts.insert(0, _layer(inputs, hidden, 1, nn.ReLU6))
        self.conv = nn.Sequential(*parts, nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class SqueezeExcitation(nn.Module):
    """x * hardsigmoid(fc2(relu(fc1(mean(x)))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = _rounded(channels / 4)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.ReLU()
        self.scale_activation = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale: Tensor = self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))
        return scale * x


class InvertedResidualV3(nn.Module):
    """Parts under `block`: expansion (left out where nothing expands), depthwise layer, squeeze, projection."""

    def __init__(self, inputs: int, shape: Inverted) -> None:
        super().__init__()
        activation = nn.Hardswish if shape.hard_swish else nn.ReLU
        parts: list[nn.Module] = [] if shape.expanded == inputs else [_layer(inputs, shape.expanded, 1, activation)]
        parts.append(_layer(shape.expanded, shape.expanded, shape.kernel, activation, shape.stride, shape.expanded))
        if shape.squeeze:
            parts.append(SqueezeExcitation(shape.expanded))
        self.block = nn.Sequential(*parts, _layer(shape.expanded, shape.outputs, 1, None))
        self.adds = shape.stride == 1 and inputs == shape.outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.adds else self.block(x)


class MobileNet(nn.Module):
    """`features` (stem, blocks, last convolution), global mean, `classifier`."""

    def __init__(self, features: Sequence[nn.Module], classifier: nn.Sequential) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
        return logits


def mobilenet_v2(
    width: float = 1.0, stages: Sequence[tuple[int, int, int, int]] = V2_STAGES, stem_stride: int = 2, head: int = 1280
) -> nn.Module:
    """MobileNetV2 for `CLASSES` classes; `features.0` is the stem, the last of `features` the head convolution."""
    channels = _rounded(32 * width)
    features: list[nn.Module] = [_layer(3, channels, 3, nn.ReLU6, stem_stride)]
    for expansion, stage_channels, count, stride in stages:
        outputs = _rounded(stage_channels * width)
        for index in range(count):
            features.append(InvertedResidualV2(channels, outputs, 1 if index else stride, expansion))
            channels = outputs
    features.append(_layer(channels, head, 1, nn.ReLU6))
    return MobileNet(features, nn.Sequential(nn.Dropout(0.2), nn.Linear(head, CLASSES)))


def mobilenet_v3(
    width: float = 1.0, blocks: Sequence[Inverted] = V3_BLOCKS, stem_stride: int = 2, head: int = 1024
) -> nn.Module:
    """MobileNetV3-Small for `CLASSES` classes; norms have its epsilon."""
    channels = _rounded(16 * width)
    features: list[nn.Module] = [_layer(3, channels, 3, nn.Hardswish, stem_stride)]
    for block in blocks:
        shape = replace(block, expanded=_rounded(block.expanded * width), outputs=_rounded(block.outputs * width))
        features.append(InvertedResidualV3(channels, shape))
        channels = shape.outputs
    features.append(_layer(channels, 6 * channels, 1, nn.Hardswish))
    classifier = [nn.Linear(6 * channels, head), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(head, CLASSES)]
    net = MobileNet(features, nn.Sequential(*classifier))
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 1e-3
    return net


def mobilenet_v2_like() -> nn.Module:
    """A narrow MobileNetV2: six blocks, three resolutions; made for 32 px."""
    torch.manual_seed(2)
    return shake(mobilenet_v2(0.5, V2_NARROW, stem_stride=1, head=32), 2)


def mobilenet_v3_like() -> nn.Module:
    """A narrow MobileNetV3: five blocks, three resolutions; made for 32 px."""
    torch.manual_seed(3)
    return shake(mobilenet_v3(1.0, V3_NARROW, stem_stride=1, head=24), 3)


full_mobilenet_v2 = partial(mobilenet_v2, 1.0)
full_mobilenet_v3 = partial(mobilenet_v3, 1.0)
