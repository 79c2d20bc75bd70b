"""Networks that users train, at 224 px, in plain torch: export and every peer get the same module.

Sources: K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016 (arXiv 1512.03385), table 1, stride in
the 3x3 convolution of a bottleneck; M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR
2018 (arXiv 1801.04381), table 2. Dropout belongs to the training on ImageNet, and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 1000
# (expansion, channels, blocks, stride of the first)
INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def resnet18(classes: int = CLASSES) -> nn.Module:
    """(N, 3, 224, 224) -> (N, classes) logits."""
    return ResNet((2, 2, 2, 2), bottleneck=False, classes=classes)


def resnet50(classes: int = CLASSES) -> nn.Module:
    """(N, 3, 224, 224) -> (N, classes) logits."""
    return ResNet((3, 4, 6, 3), bottleneck=True, classes=classes)


def mobilenet_v2(classes: int = CLASSES) -> nn.Module:
    """(N, 3, 224, 224) -> (N, classes) logits."""
    return MobileNetV2(classes)


class ResNet(nn.Module):
    """Four stages of residual blocks behind a 7x7 convolution and a maximum."""

    def __init__(self, blocks: Sequence[int], *, bottleneck: bool, classes: int) -> None:
        super().__init__()
        self.conv1 = _convolution(3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, 2, 1)
        stages = []
        inputs = 64
        for index, count in enumerate(blocks):
            channels = 64 << index
            outputs = 4 * channels if bottleneck else channels
            stage = []
            for number in range(count):
                stride = 2 if index and not number else 1
                stage.append(_Residual(inputs, channels, outputs, stride, bottleneck=bottleneck))
                inputs = outputs
            stages.append(nn.Sequential(*stage))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(functional.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))
        return logits


class _Residual(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3 and 1x1; plus the input, through a 1x1 convolution where shapes differ."""

    def __init__(self, inputs: int, channels: int, outputs: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        shapes: tuple[tuple[int, int, int, int], ...]
        if bottleneck:
            shapes = ((inputs, channels, 1, 1), (channels, channels, 3, stride), (channels, outputs, 1, 1))
        else:
            shapes = ((inputs, channels, 3, stride), (channels, outputs, 3, 1))
        self.body = nn.Sequential()
        for number, shape in enumerate(shapes):
            self.body.append(_convolution(*shape))
            self.body.append(nn.BatchNorm2d(shape[1]))
            if number + 1 < len(shapes):
                self.body.append(nn.ReLU())
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(torch.add(self.body(x), self.shortcut(x)))


class MobileNetV2(nn.Module):
    """Inverted residuals between a stem and a 1x1 convolution."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_layer(3, 32, 3, 2)]
        inputs = 32
        for expansion, channels, count, first in INVERTED:
            for number in range(count):
                layers.append(_Inverted(inputs, channels, expansion, 1 if number else first))
                inputs = channels
        layers.append(_layer(inputs, 1280, 1, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.adaptive_avg_pool2d(self.features(x), 1)
        logits: Tensor = self.classifier(torch.flatten(x, 1))
        return logits


class _Inverted(nn.Module):
    """Expand, filter each channel, project; plus the input where shapes agree."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        expanded = inputs * expansion
        self.body = nn.Sequential()
        if expansion > 1:
            self.body.append(_layer(inputs, expanded, 1, 1))
        self.body.append(_layer(expanded, expanded, 3, stride, groups=expanded))
        self.body.append(_convolution(expanded, outputs, 1, 1))
        self.body.append(nn.BatchNorm2d(outputs))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return torch.add(x, y) if self.adds else y


def _layer(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> nn.Sequential:
    convolution = _convolution(inputs, outputs, kernel, stride, groups)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6())


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
