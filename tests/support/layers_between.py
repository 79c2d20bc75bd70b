"""Networks of a layer of each kind between trained convolutions. Host only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS, SIZE, CLASSES = 8, 6, 5

Function = Callable[[nn.Module, Tensor], Tensor]
Own = Mapping[str, nn.Module | nn.Parameter]


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
        "RMS norm of PyTorch": (lambda net, x: last(net.norm, x), {"norm": nn.RMSNorm(CHANNELS, 1e-3)}),
        "RMS norm without scale": (of("norm"), {"norm": nn.RMSNorm((SIZE, SIZE), 1e-5, elementwise_affine=False)}),
        "batch norm of tokens": (
            lambda net, x: image(net.norm(rows(x).flatten(0, 1)).reshape_as(rows(x))),
            {"norm": nn.BatchNorm1d(CHANNELS)},
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
        "sum of products": (
            lambda net, x: torch.einsum("nchw,dc->ndhw", x, net.p) * torch.einsum("nchw,ndhw->ncd", x, x).mean(),
            {"p": parameter(CHANNELS, CHANNELS)},
        ),
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
