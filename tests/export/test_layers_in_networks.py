"""A layer of any kind between trained convolutions: every gradient of the network is PyTorch's in float64."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from support.layers_between import CHANNELS, CLASSES, SIZE, Between, Function, attention, image, last, of, rows, spread
from support.network_gradients import assert_gradients_are_pytorchs

Own = Mapping[str, nn.Module | nn.Parameter]


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.rand(shape) + 0.5)


def layers() -> dict[str, tuple[Function, Own]]:
    """Made anew for each test: they hold parameters."""
    plane = (CHANNELS, SIZE, SIZE)
    return {
        "quotient": (lambda _, x: x / (1 + x * x), {}),
        "quotient, broadcast": (lambda _, x: x / (1 + x.abs().mean(1, keepdim=True)), {}),
        "over a parameter": (lambda net, x: x / net.p, {"p": parameter(CHANNELS, 1, 1)}),
        "a parameter over it": (lambda net, x: net.p / (2 + x.tanh()), {"p": parameter(CHANNELS, 1, 1)}),
        "over constants": (lambda _, x: x / torch.arange(1.0, 9).to(x.dtype).view(8, 1, 1), {}),
        "difference": (lambda net, x: net.p - x - 2 * x.mean(1, keepdim=True), {"p": parameter(1)}),
        "product": (lambda net, x: x * x.mean((1, 2), keepdim=True) * net.p, {"p": parameter(CHANNELS, 1, 1)}),
        "softmax": (lambda _, x: x.softmax(1) + x.softmax(-1) * x.log_softmax(2), {}),
        "exp, log, sqrt": (lambda _, x: x.exp() + (x * x + 1).log() + (x * x + 1).sqrt(), {}),
        "powers": (lambda _, x: x**2 + x**3 + (x.abs() + 1) ** -1.5 + torch.rsqrt(x * x + 1), {}),
        "1 / x": (lambda _, x: torch.reciprocal(x * x + 1) + 1 / (3 + x.sin()) + x.cos(), {}),
        "tanh, erf": (lambda _, x: x.tanh() * x.erf(), {}),
        "gelu": (lambda _, x: functional.gelu(x), {}),
        "gelu by tanh": (lambda _, x: functional.gelu(x, approximate="tanh"), {}),
        "layer norm": (lambda net, x: last(net.norm, x), {"norm": nn.LayerNorm(CHANNELS)}),
        "layer norm without bias": (lambda net, x: last(net.norm, x), {"norm": nn.LayerNorm(CHANNELS, bias=False)}),
        "layer norm of all": (of("norm"), {"norm": nn.LayerNorm(plane)}),
        "layer norm, fixed": (
            lambda _, x: functional.layer_norm(rows(x), (CHANNELS,)).transpose(1, 2).reshape(-1, *plane),
            {},
        ),
        "RMS norm": (
            lambda net, x: x * torch.rsqrt((x**2).mean(-1, keepdim=True) + 1e-5) * net.p,
            {"p": parameter(SIZE)},
        ),
        "group norm": (of("norm"), {"norm": nn.GroupNorm(2, CHANNELS)}),
        "instance norm": (of("norm"), {"norm": nn.InstanceNorm2d(CHANNELS)}),
        "instance norm, affine": (of("norm"), {"norm": nn.InstanceNorm2d(CHANNELS, affine=True)}),
        "leaky relu": (of("act"), {"act": nn.LeakyReLU(0.1)}),
        "elu, celu, selu": (lambda _, x: functional.elu(x, 0.7) + functional.celu(x, 0.8) - functional.selu(x), {}),
        "prelu": (of("act"), {"act": nn.PReLU()}),
        "prelu of each channel": (of("act"), {"act": nn.PReLU(CHANNELS)}),
        "mish, softplus, softsign": (
            lambda _, x: functional.mish(x) + functional.softplus(x, 2) * functional.softsign(x),
            {},
        ),
        "activations of one value": (lambda _, x: functional.elu(x) + functional.relu(x) + functional.hardswish(x), {}),
        "magnitudes": (lambda _, x: x.abs() - x.clamp(-0.1, 0.3) + x.clamp(min=0.2) - x.clamp(max=0.1), {}),
        "maximum, minimum": (
            lambda _, x: torch.maximum(x, 1 - x) * torch.minimum(x, torch.full_like(x[:1, :1, :1, :1], 0.1)),
            {},
        ),
        "where": (lambda _, x: torch.where(x > 0.1, -x, 0.2 * x * x), {}),
        "sums": (lambda _, x: x * x.sum((2, 3), keepdim=True) + x.sum(1).unsqueeze(1), {}),
        "variances": (lambda _, x: x / (x.var(1, keepdim=True) + 1).sqrt() + x.std((2, 3), keepdim=True), {}),
        "largest, smallest": (lambda _, x: x * x.amax((2, 3), keepdim=True) - x.amin(1).unsqueeze(1), {}),
        "attention": (attention, {"qkv": nn.Linear(CHANNELS, 3 * CHANNELS)}),
        "attention without layers": (lambda _, x: image((rows(x) @ x.flatten(2)).softmax(-1) @ rows(x)), {}),
        "mixed tokens": (
            lambda net, x: functional.gelu(net.mix(x.flatten(2))).reshape(-1, *plane),
            {"mix": nn.Linear(SIZE * SIZE, SIZE * SIZE)},
        ),
        "lengths": (lambda _, x: functional.normalize(x, dim=1) + x / (1 + x.norm(p=1, dim=1, keepdim=True)), {}),
        "response norm": (
            lambda _, x: x * (x.norm(dim=(2, 3), keepdim=True) / (x.norm(dim=(2, 3), keepdim=True).mean(1, True) + 1)),
            {},
        ),
    }


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


@pytest.mark.parametrize("name", ["layer norm", "group norm", "attention", "quotient, broadcast", "prelu"])
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

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, CHANNELS, 2, 2)
        self.layer = nn.TransformerEncoderLayer(
            CHANNELS, 2, 16, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(CHANNELS)
        self.fc = nn.Linear(CHANNELS, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.norm(self.layer(rows(self.patches(x)))).mean(1))
        return logits


def test_pytorchs_own_attention() -> None:
    """In eval mode PyTorch takes a fast path that cannot be traced; afterwards it may again."""
    torch.manual_seed(4)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, 3, 8, 8), np.float32)
    assert_gradients_are_pytorchs(Encoder(), images, rng.integers(0, CLASSES, 3))
    assert torch.backends.mha.get_fastpath_enabled()
