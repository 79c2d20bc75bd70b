"""Small torch networks with seeded weights and batch-norm statistics that matter. Host only."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from support.hostile import EVIL, LENGTHY, ODD
from tbft_export.sources.resnet26 import ResNet26


def shake(module: nn.Module, seed: int) -> nn.Module:
    """Random scale, shift and running statistics, so that no batch norm is the identity."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            with torch.no_grad():
                layer.weight.uniform_(0.5, 1.5, generator=generator)
                layer.bias.uniform_(-0.3, 0.3, generator=generator)
                layer.running_mean.uniform_(-0.3, 0.3, generator=generator)  # type: ignore[union-attr]
                layer.running_var.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr]
    return module.eval()


class PostActivationBlock(nn.Module):
    """conv-norm-ReLU-conv-norm, 1x1 convolution on a striding shortcut, ReLU behind the sum (ResNet-18)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions, four times the channels out (ResNet-50)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class StemmedResNet(nn.Module):
    """7x7 stride-2 stem with batch norm and max-pool, stages, global pool, `fc` (ResNet-18 and -50)."""

    def __init__(self, stages: list[nn.Module], features: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for index, stage in enumerate(stages, start=1):
            self.add_module(f"layer{index}", stage)
        self.stages = len(stages)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for index in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{index}")(x)
        logits: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return logits


def resnet18_like() -> nn.Module:
    """A narrow ResNet-18: two post-activation blocks per stage, three stages; made for 32 to 64 px."""
    torch.manual_seed(18)
    stages = [
        nn.Sequential(PostActivationBlock(8, 8, 1), PostActivationBlock(8, 8, 1)),
        nn.Sequential(PostActivationBlock(8, 16, 2), PostActivationBlock(16, 16, 1)),
        nn.Sequential(PostActivationBlock(16, 24, 2), PostActivationBlock(24, 24, 1)),
    ]
    return shake(StemmedResNet(stages, 24, 5), 18)


def bottleneck_net() -> nn.Module:
    """A narrow ResNet-50: one bottleneck per stage, three stages; made for 64 px."""
    torch.manual_seed(50)
    stages = [Bottleneck(8, 4, 1), Bottleneck(16, 8, 2), Bottleneck(32, 8, 2)]
    wrapped: list[nn.Module] = [nn.Sequential(stage) for stage in stages]
    return shake(StemmedResNet(wrapped, 32, 5), 50)


def resnet26() -> nn.Module:
    """The built-in network, 10 classes at 32 px."""
    torch.manual_seed(26)
    return shake(ResNet26(), 26)


def tiny() -> nn.Module:
    """The smallest network with a front, two stages and a head: 4 classes, 8 px and up; for device tests."""
    torch.manual_seed(4)
    return _tiny([PostActivationBlock(4, 4, 1), PostActivationBlock(4, 6, 2)])


def tiny_deep() -> nn.Module:
    """The same with a stage between the front and the last one."""
    torch.manual_seed(5)
    return _tiny([PostActivationBlock(4, 4, 1), PostActivationBlock(4, 4, 2), PostActivationBlock(4, 6, 2)])


def tiny_plain() -> nn.Module:
    """A front, two stages and a head without any batch norm."""
    torch.manual_seed(6)
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(3, 6, 3, 1, 1))
    net.add_module("relu", nn.ReLU())
    for index, stride in enumerate((1, 2), start=1):
        convolutions = nn.Conv2d(6, 6, 3, stride, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 1, 1), nn.ReLU()
        net.add_module(f"layer{index}", nn.Sequential(*convolutions))
    net.add_module("pool", nn.AdaptiveAvgPool2d(1))
    net.add_module("flat", nn.Flatten())
    net.add_module("fc", nn.Linear(6, 4))
    return net.eval()


def tiny_hostile() -> nn.Module:
    """The deeper network by a stranger, who chose the names of its modules."""
    torch.manual_seed(5)
    stages = [PostActivationBlock(4, 4, 1), PostActivationBlock(4, 4, 2), PostActivationBlock(4, 6, 2)]
    return _tiny(stages, ODD, ODD + LENGTHY)


def tiny_evil() -> nn.Module:
    """One whose modules have names that do things to a terminal: no device takes its bundle."""
    torch.manual_seed(5)
    return _tiny([PostActivationBlock(4, 4, 1), PostActivationBlock(4, 6, 2)], EVIL, EVIL)


def _tiny(stages: list[PostActivationBlock], end: str = "", last: str = "") -> nn.Module:
    """Names end in `end`, that of the head in `last`."""
    net = nn.Sequential()
    net.add_module(f"conv1{end}", nn.Conv2d(3, 4, 3, 1, 1, bias=False))
    net.add_module(f"bn1{end}", nn.BatchNorm2d(4))
    net.add_module("relu", nn.ReLU())
    for index, stage in enumerate(stages, start=1):
        net.add_module(f"layer{index}{end}", stage)
    net.add_module("pool", nn.AdaptiveAvgPool2d(1))
    net.add_module("flat", nn.Flatten())
    net.add_module(f"fc{last}", nn.Linear(6, 4))
    return shake(net, 4)


class Rounding(nn.Module):
    """An operator that nobody trains through: its slope is 0 wherever it has one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.round(x)


def tiny_without_gradient() -> nn.Module:
    """A network with an operator that has no gradient."""
    return _with_activation(Rounding())


def tiny_elu() -> nn.Module:
    """A network with an activation that is not known yet."""
    return _with_activation(nn.ELU())


def _with_activation(activation: nn.Module) -> nn.Module:
    net = tiny()
    assert isinstance(net, nn.Sequential)
    net[2] = activation
    return net
