"""A layer of any kind between trained convolutions: every gradient of the network is PyTorch's in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from support.layers_between import CHANNELS, CLASSES, SIZE, Between, layers, rows, spread
from support.network_gradients import assert_gradients_are_pytorchs


@pytest.mark.parametrize("name", list(layers()))
def test_a_layer_in_a_network(name: str) -> None:
    """Its own parameters are trained with those around it."""
    torch.manual_seed(1)
    function, own = layers()[name]
    net = Between(function, **own)
    for norm in (net.get_submodule("norm"),) if "norm" in own else ():
        for each in norm.parameters():
            spread(each)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((4, 3, SIZE, SIZE), np.float32)
    assert_gradients_are_pytorchs(net, images, rng.integers(0, CLASSES, 4))


@pytest.mark.parametrize(
    "name",
    [
        *("layer norm", "group norm", "attention", "quotient, broadcast", "prelu", "gelu", "leaky relu", "powers"),
        *("maximum, minimum", "magnitudes", "largest, smallest", "exp, log, sqrt"),
    ],
)
def test_between_convolutions_in_winograds_form(name: str) -> None:
    """Where images lie spatial-major."""
    torch.manual_seed(2)
    function, own = layers()[name]
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, 3, SIZE, SIZE), np.float32)
    assert_gradients_are_pytorchs(Between(function, **own), images, rng.integers(0, CLASSES, 3), "winograd")


class Normalised(nn.Module):
    """Subtracts and divides by buffers, as networks do that take pixels as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.rand(3, 1, 1))
        self.register_buffer("std", torch.rand(3, 1, 1) + 0.5)
        self.net = Between(lambda _, x: torch.relu(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.net((x - self.mean) / self.std)
        return logits


def test_a_normalisation_inside() -> None:
    """Its numbers are constants, and the first layer's gradient goes through it."""
    torch.manual_seed(3)
    rng = np.random.default_rng(0)
    images = rng.random((4, 3, SIZE, SIZE), np.float32)
    assert_gradients_are_pytorchs(Normalised(), images, rng.integers(0, CLASSES, 4))


class Encoder(nn.Module):
    """Vision transformers of torchvision, and of many others: PyTorch's own layer of attention and a linear part."""

    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, CHANNELS, 2, 2)
        self.layer = nn.TransformerEncoderLayer(
            CHANNELS, 2, 16, dropout=0.0, activation="gelu", batch_first=batch_first, norm_first=True
        )
        self.norm = nn.LayerNorm(CHANNELS)
        self.fc = nn.Linear(CHANNELS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.norm(self.layer(rows(self.patches(x)))).mean(1))
        return logits


class TokensFirst(Encoder):
    """(L, N, E), PyTorch's default, with a token that answers."""

    def __init__(self) -> None:
        super().__init__(batch_first=False)
        self.token = nn.Parameter(torch.randn(1, 1, CHANNELS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = rows(self.patches(x)).transpose(0, 1)
        tokens = torch.cat([self.token.expand(-1, patches.shape[1], -1), patches])
        logits: torch.Tensor = self.fc(self.norm(self.layer(tokens))[0])
        return logits


@pytest.mark.parametrize("make", [partial(Encoder, batch_first=True), TokensFirst], ids=["batch first", "tokens first"])
def test_pytorchs_own_attention(make: Callable[[], nn.Module]) -> None:
    """In eval mode PyTorch takes a fast path that cannot be traced; afterwards it may again."""
    torch.manual_seed(4)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, 3, 8, 8), np.float32)
    assert_gradients_are_pytorchs(make(), images, rng.integers(0, CLASSES, 3))
    assert torch.backends.mha.get_fastpath_enabled()
