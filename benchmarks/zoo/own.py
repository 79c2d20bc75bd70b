"""Small networks as people write them: those of MLPerf Tiny, of first lessons, and with habits of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def mlperf_resnet8(classes: int) -> nn.Module:
    """MLPerf Tiny's image classifier (Banbury et al., "MLPerf Tiny Benchmark", NeurIPS 2021): (N, 3, 32, 32)."""
    return nn.Sequential(
        _layer(3, 16), _Residual(16, 16, 1), _Residual(16, 32, 2), _Residual(32, 64, 2), *_head(64, classes)
    )


def ds_cnn(classes: int) -> nn.Module:
    """MLPerf Tiny's keyword spotter (Zhang et al., "Hello Edge", arXiv 1711.07128): (N, 1, 49, 10) of MFCCs."""
    first = nn.Sequential(nn.Conv2d(1, 64, (10, 4), (2, 2), (5, 1), bias=False), nn.BatchNorm2d(64), nn.ReLU())
    blocks = [nn.Sequential(_layer(64, 64, groups=64), _layer(64, 64, kernel=1)) for _ in range(4)]
    return nn.Sequential(first, *blocks, *_head(64, classes))


def lenet(classes: int) -> nn.Module:
    """LeNet-5 with ReLU: (N, 1, 28, 28)."""
    features = (nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU())
    dense = (nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes))
    return nn.Sequential(*features, nn.MaxPool2d(2), nn.Flatten(), *dense)


def mlp(classes: int) -> nn.Module:
    """Matrix products alone: (N, 1, 16, 16)."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, classes)
    )


def small_cnn(classes: int) -> nn.Module:
    """A chain of convolutions, as first lessons write it: (N, 3, 32, 32)."""
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(64 * 8 * 8, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, classes)),
    )


def leaky_cnn(classes: int) -> nn.Module:
    """One activation function after the other: (N, 3, 32, 32)."""
    kinds = (nn.LeakyReLU(0.1), nn.ELU(), nn.PReLU(16), nn.Mish(), nn.GELU(), nn.SiLU(), nn.Softplus(), nn.SELU())
    layers = [nn.Sequential(nn.Conv2d(16, 16, 3, 2 - index % 2, 1), kind) for index, kind in enumerate(kinds)]
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), *layers, *_head(16, classes))


def normalising(classes: int) -> nn.Module:
    """Pixels are normalised inside, by buffers: (N, 3, 32, 32)."""
    return _Normalising(mlperf_resnet8(classes))


def softmax_inside(classes: int) -> nn.Module:
    """Weights of positions by a softmax, and a division by a length: (N, 3, 32, 32)."""
    return nn.Sequential(_layer(3, 16), _Residual(16, 16, 1), _Pooling(16), nn.Linear(16, classes))


def two_heads(classes: int) -> nn.Module:
    """Of two outputs one is called logits: (N, 3, 32, 32)."""
    return _TwoHeads(classes)


def small_vit(classes: int) -> nn.Module:
    """A vision transformer (Dosovitskiy et al., ICLR 2021) of two layers: (N, 3, 32, 32)."""
    return _SmallVit(classes)


def _layer(inputs: int, outputs: int, stride: int = 1, groups: int = 1, kernel: int = 3) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def _head(features: int, classes: int) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, classes)


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _layer(inputs, outputs, stride)
        self.conv = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(self.first(x))) + self.shortcut(x))


class _Normalising(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.1, 0.0, -0.1]).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.9, 1.0, 1.1]).reshape(1, 3, 1, 1))
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network((x - self.mean) / self.std)
        return logits


class _Pooling(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.softmax(self.score(x).flatten(1), dim=1)
        pooled: Tensor = (x.flatten(2) * weights.unsqueeze(1)).sum(2)
        length: Tensor = pooled.norm(dim=1, keepdim=True)
        return pooled / length


class _TwoHeads(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_layer(3, 16), _Residual(16, 32, 2), *_head(32, 24))
        self.logits = nn.Linear(24, classes)
        self.embedding = nn.Linear(24, 4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = functional.relu(self.body(x))
        return {"logits": self.logits(features), "embedding": self.embedding(features)}


class _SmallVit(nn.Module):
    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(0.02 * torch.randn(1, 17, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True) for _ in range(2)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), tokens], 1) + self.places
        for layer in self.layers:
            tokens = layer(tokens)
        logits: Tensor = self.head(self.norm(tokens[:, 0]))
        return logits
