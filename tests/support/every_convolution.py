"""A network with every kind of convolution, and no kink in its activations. Host only."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from support.tiny_models import shake

CLASSES = 4
IMAGE_SIZE = 17


class _Residual(nn.Module):
    """1 x 1 expansion, depthwise, squeeze-and-excite, 1 x 1 projection, and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Conv2d(12, 24, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        self.depthwise = nn.Conv2d(24, 24, 5, 1, 2, groups=24, bias=False)
        self.bn2 = nn.BatchNorm2d(24)
        self.squeeze = nn.Conv2d(24, 6, 1)
        self.excite = nn.Conv2d(6, 24, 1)
        self.project = nn.Conv2d(24, 12, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.silu(self.bn1(self.expand(x)))
        y = nn.functional.silu(self.bn2(self.depthwise(y)))
        scale = self.excite(nn.functional.silu(self.squeeze(y.mean((2, 3), keepdim=True))))
        return x + self.project(y * torch.sigmoid(scale))


def every_convolution() -> nn.Module:
    """Winograd's, striding, depthwise with a multiplier, grouped, dilated, 1 x 1; with and without bias and norm."""
    torch.manual_seed(7)
    net = nn.Sequential()
    net.add_module("stem", nn.Conv2d(3, 8, 5, 2, 2))
    net.add_module("layer1", nn.Sequential(_silu(nn.Conv2d(8, 12, 3, 1, 1, bias=False)), _Residual()))
    net.add_module(
        "layer2", nn.Sequential(_silu(nn.Conv2d(12, 24, 3, 2, 1, groups=12)), _silu(nn.Conv2d(24, 12, 1, 2)))
    )
    net.add_module(
        "layer3", nn.Sequential(_silu(nn.Conv2d(12, 8, 3, padding=(2, 1), dilation=(2, 1), groups=2)), nn.SiLU())
    )
    net.add_module("pool", nn.AdaptiveAvgPool2d(1))
    net.add_module("flat", nn.Flatten())
    net.add_module("fc", nn.Linear(8, CLASSES))
    return shake(net, 7)


def _silu(layer: nn.Conv2d) -> nn.Module:
    """`layer`, a batch norm if it has no bias, SiLU."""
    norm: nn.Module = nn.Identity() if layer.bias is not None else nn.BatchNorm2d(layer.out_channels)
    return nn.Sequential(layer, norm, nn.SiLU())
