"""Torch modules that return, count, print and fail as people's own do. Host only."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from support import tiny_models
from support.common_nets import Seeded, conv_norm_relu

CLASSES = 4


class Answering(nn.Module):
    """A small network, and what is made of its logits."""

    def __init__(self, answer: Callable[[Tensor], Any] = lambda y: y, classes: int = CLASSES) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.layer1 = nn.Sequential(conv_norm_relu(6, 6), conv_norm_relu(6, 6))
        self.layer2 = nn.Sequential(conv_norm_relu(6, 6), conv_norm_relu(6, 6))
        self.fc = nn.Linear(6, classes)
        self.answer = answer

    def features(self, x: Tensor) -> Tensor:
        features: Tensor = self.layer2(self.layer1(self.conv1(x))).mean((2, 3))
        return features

    def forward(self, x: Tensor) -> Any:
        return self.answer(self.fc(self.features(x)))


@dataclass
class Result:
    """As some libraries return it."""

    loss: Tensor | None
    logits: Tensor


class Pair(NamedTuple):
    """Likewise."""

    scores: Tensor
    attention: Tensor | None


class Output(dict[str, Tensor]):
    """A dict that can be asked for attributes, too (transformers' ModelOutput)."""

    def __getattr__(self, name: str) -> Tensor:
        return self[name]


plain = Seeded(Answering)
as_dict = Seeded(lambda: Answering(lambda y: {"logits": y, "hidden": y[:, :, None], "pooled": y * 2}))
as_output = Seeded(lambda: Answering(lambda y: Output(loss=None, logits=y)))  # type: ignore[arg-type]
as_tuple = Seeded(lambda: Answering(lambda y: (y,)))
as_list = Seeded(lambda: Answering(lambda y: [y[:, :, None], y]))
as_dataclass = Seeded(lambda: Answering(lambda y: Result(None, y)))
as_named_tuple = Seeded(lambda: Answering(lambda y: Pair(y, None)))
as_two = Seeded(lambda: Answering(lambda y: {"main": y, "aux": y * 2}))
as_words = Seeded(lambda: Answering(lambda _: "cat"))
as_column = Seeded(lambda: Answering(lambda y: y[:, :, None, None]))
as_number = Seeded(lambda: Answering(lambda y: y[:, 0]))
one_logit = Seeded(lambda: Answering(classes=1))
softmaxed = Seeded(lambda: Answering(lambda y: y.softmax(1)))
unwritable = Seeded(lambda: Answering(lambda y: y + 0 * torch.special.bessel_j0(y)))
of_two_images = Seeded(lambda: Answering(lambda y: y + torch.zeros(len(y), 1)))
of_a_batch = Seeded(lambda: Answering(lambda y: y - y.mean(0)))
in_halves = Seeded(lambda: Answering(lambda y: y.half()))
by_chance = Seeded(lambda: Answering(lambda y: nn.functional.dropout(y, 0.5, training=True)))
no_numbers = Seeded(lambda: Answering(lambda y: y / (y - y)))


class Odd(Answering):
    """The same with another way from images to features."""

    def __init__(self, way: Callable[[Answering, Tensor], Tensor]) -> None:
        super().__init__()
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.way(self, x))
        return logits


def _raise(_net: Answering, _x: Tensor) -> Tensor:
    raise KeyError("position_ids")


def _in_place(net: Answering, x: Tensor) -> Tensor:
    x.sub_(0.5)
    return net.features(x)


def _both_ways(net: Answering, x: Tensor) -> Tensor:
    return net.features(x) + net.features(x.flip(3))


def _detached(net: Answering, x: Tensor) -> Tensor:
    return net.features(x).detach()


def _detached_in_part(net: Answering, x: Tensor) -> Tensor:
    x = net.layer1(net.conv1(x))
    return (net.layer2(x) * torch.sigmoid(x.detach())).mean((2, 3))


class Straight(torch.autograd.Function):
    """Round, as if it were nothing on the way back."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def _straight_through(net: Answering, x: Tensor) -> Tensor:
    doubled: Tensor = Straight.apply(net.features(x))  # type: ignore[no-untyped-call]
    return doubled


def _by_the_images(net: Answering, x: Tensor) -> Tensor:
    return net.features(x if x.abs().sum() == 0 else x.flip(3) * 2)


detached_in_part = Seeded(lambda: Odd(_detached_in_part))
straight_through = Seeded(lambda: Odd(_straight_through))
by_the_images = Seeded(lambda: Odd(_by_the_images))
fails = Seeded(lambda: Odd(_raise))
changes_its_input = Seeded(lambda: Odd(_in_place))
both_ways = Seeded(lambda: Odd(_both_ways))
detached = Seeded(lambda: Odd(_detached))
doubles_inside = Seeded(lambda: Odd(lambda net, x: net.features(x).double().sin().float()))
halves_inside = Seeded(lambda: Odd(lambda net, x: net.features(x).half().float()))


class Two(Answering):
    """A forward of two arguments."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.features(x) * mask)
        return logits


two_inputs = Seeded(Two)
grey = Seeded(lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)))


def changed(change: Callable[[Answering], object]) -> Seeded:
    """`plain`, something done to it."""

    def make() -> nn.Module:
        net = Answering()
        with torch.no_grad():
            change(net)
        return net

    return Seeded(make)


def _with_momenta(net: Answering) -> None:
    norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer, momentum in zip(norms, (None, 0.0, 1.0, 0.3), strict=True):
        layer.momentum = momentum


dead = changed(lambda net: (net.layer2[0][0].weight.zero_(), net.layer2[1][0].weight.zero_()))  # type: ignore[index]
not_a_number = changed(lambda net: net.fc.weight[0].fill_(float("nan")))
infinite = changed(lambda net: net.fc.weight[0].fill_(float("inf")))
negative_variance = changed(lambda net: net.layer1[0][1].running_var.fill_(-1e-3))  # type: ignore[index]
without_epsilon = changed(lambda net: setattr(net.layer2[0][1], "eps", 0.0))  # type: ignore[index]
momenta = changed(_with_momenta)


def scripted() -> nn.Module:
    """As `torch.jit.load` gives it."""
    net: nn.Module = torch.jit.trace(tiny_models.tiny(), torch.zeros(1, 3, 8, 8))  # type: ignore[no-untyped-call]
    return net


def talkative() -> nn.Module:
    """It prints while it is made: from Python, from C at once and by and by, and from another process."""
    sys.stdout.write("loaded pretrained weights\n")
    os.write(1, b"from C\n")
    ctypes.CDLL(None).printf(b"buffered in C\n")
    subprocess.run(["/bin/echo", "from a child"], check=True)
    return plain()


def quits() -> nn.Module:
    """A script that was written to be run, not imported."""
    raise SystemExit(3)


without_statistics = Seeded(
    lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
)


class Standardised(nn.Conv2d):
    """A convolution whose filters have mean 0 and spread 1, made so by a batch norm of them; perhaps with a gain."""

    def __init__(self, inputs: int, outputs: int, *, gained: bool) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.gain = nn.Parameter(torch.rand(outputs) + 0.5) if gained else None

    def forward(self, x: Tensor) -> Tensor:
        rows = self.weight.reshape(1, self.out_channels, -1)
        gain = None if self.gain is None else 0.3 * self.gain
        normal = nn.functional.batch_norm(rows, None, None, gain, training=True, momentum=0.0, eps=1e-6)
        return nn.functional.conv2d(x, normal.reshape_as(self.weight), self.bias, padding=self.padding)


def _standardised() -> nn.Module:
    layers = (Standardised(3, 6, gained=True), nn.BatchNorm2d(6), nn.ReLU(), Standardised(6, 6, gained=False))
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, CLASSES))


standardised = Seeded(_standardised)


class Wrapper(nn.Module):
    """Somebody's, which calls what it wraps `module`."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.module = inner

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.module(x)
        return logits


class Normalising(Answering):
    """It takes pixels in [0, 1], and has their mean and spread as buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.rand(1, 3, 1, 1))
        self.register_buffer("std", torch.rand(1, 3, 1, 1) + 0.5)

    def forward(self, x: Tensor) -> Any:
        return super().forward((x - self.mean) / self.std)


normalising = Seeded(Normalising)
in_parallel = Seeded(lambda: nn.DataParallel(Answering()))
compiled = Seeded(lambda: torch.compile(Answering()))  # type: ignore[arg-type,return-value]
wrapped = Seeded(lambda: Wrapper(Answering()))
