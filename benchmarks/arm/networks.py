"""The networks, in torch alone: the guest has neither torchvision nor the compiler.

`tbft-edge export --model benchmarks.arm.networks:resnet18` takes the factories.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.network import CLASSES, resnet26

_SEED = 18
_SETTLING = 4
# Channels, repetitions and stride of a stage; the expansion is 6 but in the first.
_MOBILE = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))


def network(name: str, image_size: int) -> nn.Module:
    """The network with PyTorch's own random weights, in eval mode. Raises KeyError for an unknown name."""
    if name == "resnet26":
        return resnet26(image_size)
    return {"resnet18": ResNet18, "mobilenet_v2": MobileNetV2}[name]().eval()


def resnet18() -> nn.Module:
    """He et al., "Deep Residual Learning for Image Recognition", CVPR 2016: (N, 3, 224, 224)."""
    return _settled(ResNet18)


def mobilenet_v2() -> nn.Module:
    """Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018: (N, 3, 224, 224)."""
    return _settled(MobileNetV2)


class ResNet18(nn.Module):
    """Modules are named as in torchvision."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(_Basic(64, 64, 1), _Basic(64, 64, 1))
        self.layer2 = nn.Sequential(_Basic(64, 128, 2), _Basic(128, 128, 1))
        self.layer3 = nn.Sequential(_Basic(128, 256, 2), _Basic(256, 256, 1))
        self.layer4 = nn.Sequential(_Basic(256, 512, 2), _Basic(512, 512, 1))
        self.fc = nn.Linear(512, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(x, 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class MobileNetV2(nn.Module):
    """Modules are named as in torchvision."""

    def __init__(self) -> None:
        super().__init__()
        stages: list[nn.Module] = [_layer(3, 32, 3, 2)]
        inputs = 32
        for channels, count, stride in _MOBILE:
            for index in range(count):
                expansion = 1 if channels == 16 else 6
                stages.append(_Inverted(inputs, channels, stride if index == 0 else 1, expansion))
                inputs = channels
        self.features = nn.Sequential(*stages, _layer(inputs, 1280, 1))
        self.classifier = nn.Linear(1280, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


class _Basic(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class _Inverted(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [_layer(inputs, hidden, 1)] if expansion > 1 else []
        project = (nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.conv = nn.Sequential(*expand, _layer(hidden, hidden, 3, stride, groups=hidden), *project)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.adds else y


def _layer(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6())


def _settled(kind: Callable[[], nn.Module]) -> nn.Module:
    """Seeded He-initialised weights, and running statistics of a batch of noise."""
    torch.manual_seed(_SEED)
    module = kind()
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        module.train()(torch.randn(_SETTLING, 3, 224, 224))
    for norm in norms:
        norm.momentum = 0.1
    return module.eval()
