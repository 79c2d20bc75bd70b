"""Small networks put together as published ones are, with the layers that PyTorch's defaults give. Host only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 5


@dataclass
class Seeded:
    """A factory that any `package.module:name` can be; the same network each time."""

    make: Callable[[], nn.Module]
    seed: int = 0

    def __call__(self) -> nn.Module:
        torch.manual_seed(self.seed)
        return self.make().eval()


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """With PyTorch's default bias, which the norm makes useless."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def head(features: int) -> nn.Sequential:
    """Global average, then a linear layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, CLASSES))


class Residual(nn.Module):
    """Two convolutions, and a third beside them whose bias reaches the next norms through the sum."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_norm_relu(inputs, outputs, 3, stride), *conv_norm_relu(outputs, outputs)[:2])
        self.short = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.short(x))


class Branches(nn.Module):
    """Their outputs side by side (Inception); with `add` their sum."""

    def __init__(self, *branches: nn.Module, add: bool = False) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        outputs = [branch(x) for branch in self.branches]
        return torch.stack(outputs).sum(0) if self.add else torch.cat(outputs, 1)


class DenseLayer(nn.Module):
    """Norm, ReLU, convolution, and what came in beside its result."""

    def __init__(self, inputs: int, growth: int = 4) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)


class DenseBlock(nn.Module):
    """A list that grows, joined anew for each layer, the first time alone (torchvision's DenseNet)."""

    def __init__(self, inputs: int, growth: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(inputs + number * growth),
                nn.ReLU(),
                nn.Conv2d(inputs + number * growth, growth, 3, padding=1),
            )
            for number in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)


def _transition(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.AvgPool2d(2))


dense = Seeded(
    lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.Sequential(DenseLayer(8), DenseLayer(12)),
        _transition(16, 8),
        nn.Sequential(DenseLayer(8), DenseLayer(12)),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        head(16),
    )
)
dense_list = Seeded(
    lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        DenseBlock(8),
        _transition(16, 8),
        DenseBlock(8),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        head(16),
    )
)
residual = Seeded(
    lambda: nn.Sequential(
        conv_norm_relu(3, 8),
        *[nn.Sequential(Residual(*each)) for each in ((8, 8, 1), (8, 16, 2), (16, 32, 2))],
        head(32),
    )
)
inception = Seeded(
    lambda: nn.Sequential(
        conv_norm_relu(3, 8, 3, 2),
        *[
            Branches(
                conv_norm_relu(inputs, 4, 1),
                nn.Sequential(conv_norm_relu(inputs, 4, 1), conv_norm_relu(4, 4)),
                nn.Sequential(nn.AvgPool2d(3, 1, 1), conv_norm_relu(inputs, 4, 1)),
            )
            for inputs in (8, 12)
        ],
        head(12),
    )
)
depthwise = Seeded(
    lambda: nn.Sequential(
        conv_norm_relu(3, 8, 3, 2),
        *[nn.Sequential(conv_norm_relu(8, 8, groups=8), conv_norm_relu(8, 8, 1)) for _ in range(3)],
        head(8),
    )
)
# Between the convolution and its norm: pools, dropout, a 1 x 1 convolution, a sum of two, a norm of another kind.
on_the_way = Seeded(
    lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.AvgPool2d(2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Sequential(
            Branches(nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1), add=True),
            nn.MaxPool2d(2),
            nn.Dropout(),
            nn.Identity(),
            nn.Conv2d(8, 8, 1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
        ),
        nn.Sequential(
            Branches(nn.Conv2d(8, 6, 3, padding=1, groups=2), nn.Conv2d(8, 6, 1)),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 12, 1),
            nn.BatchNorm2d(12),
            nn.BatchNorm2d(12),
        ),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Linear(16, CLASSES),
    )
)


class Fire(nn.Module):
    """SqueezeNet's."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.squeeze(x))
        return torch.cat([functional.relu(self.expand1(x)), functional.relu(self.expand3(x))], 1)


class Squeezed(nn.Module):
    """It ends in a 1 x 1 convolution, and the average of what that gives."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2), Fire(8, 4, 6))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(12, CLASSES, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)


squeezed = Seeded(Squeezed)
lenet = Seeded(
    lambda: nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 8, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(200, 16), nn.ReLU(), nn.Linear(16, CLASSES)),
    )
)
perceptron = Seeded(
    lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, CLASSES))
)
