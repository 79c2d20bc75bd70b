"""Networks of a layer of each kind between trained convolutions. Host only."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS, SIZE, CLASSES = 8, 6, 5

Function = Callable[[nn.Module, Tensor], Tensor]


class Between(nn.Module):
    """Convolution, a function of its result and of parameters that are its own, convolution, mean, linear layer."""

    def __init__(self, function: Function, **own: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.conv2 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.fc = nn.Linear(CHANNELS, CLASSES)
        self.function = function
        for name, value in own.items():
            setattr(self, name, value)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.conv2(self.function(self, 2 * self.conv1(x))).mean((2, 3)))
        return logits


def rows(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H * W, C): pixels as tokens."""
    return x.flatten(2).transpose(1, 2)


def image(x: Tensor) -> Tensor:
    """Back again."""
    return x.transpose(1, 2).reshape(-1, CHANNELS, SIZE, SIZE)


def last(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer over channels that stand last."""
    y: Tensor = layer(x.permute(0, 2, 3, 1))
    return y.permute(0, 3, 1, 2)


def attention(net: nn.Module, x: Tensor) -> Tensor:
    """Two heads."""
    tokens = net.get_submodule("qkv")(rows(x)).reshape(-1, SIZE * SIZE, 3, 2, CHANNELS // 2).permute(2, 0, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(*tokens.unbind(0))
    return image(mixed.transpose(1, 2).reshape(-1, SIZE * SIZE, CHANNELS))


def of(name: str) -> Function:
    """The layer of that name."""
    return lambda net, x: net.get_submodule(name)(x)


def spread(parameter: nn.Parameter) -> nn.Parameter:
    """Other values than ones or zeros, so that each gets a gradient of its own."""
    with torch.no_grad():
        parameter.copy_(1 + 0.5 * torch.randn(parameter.shape))
    return parameter
