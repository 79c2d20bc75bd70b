"""How far ten steps of a device are from PyTorch's in float64, beside what PyTorch's own float32 is off. Host."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tbft_artifacts.plan import Plan
from tbft_export.passes.quicken_averages import LARGEST_KEPT

# A device may be off by so many times what PyTorch's float32 is off: both are one of many ways to round.
_TIMES = 4.0
# What one activation on the other side of a kink makes in ten steps, relative to how far training went.
_FLOOR = 5e-3
# PyTorch's float32 is asked so often, with images moved by what Winograd's form of a convolution rounds: whether an
# activation falls on the other side of a kink is chance.
_RUNS = 3
_MOVED = 1e-5


@dataclass(frozen=True)
class Agreement:
    """Distances from float64 after ten steps, relative to how far training went."""

    device: float
    pytorch: float

    @property
    def of_bound(self) -> float:
        """The device's distance as a part of what it may be: 1 is the bound."""
        return self.device / max(_TIMES * self.pytorch, _FLOOR)


def compare(
    module: nn.Module, plan: Plan, images: np.ndarray, labels: np.ndarray, found: Mapping[str, np.ndarray]
) -> Agreement:
    """`found` is what a device has after a step of SGD on each batch of images (steps, n, C, H, W)."""
    exact = _train(module, plan, images, labels, torch.float64)
    before = {name: tensor.detach().double().numpy() for name, tensor in _tensors(module).items() if name in exact}
    went = _distance(exact, before)
    rng = np.random.default_rng(0)
    rounded = [images * (1 + number * _MOVED * rng.standard_normal(images.shape)) for number in range(_RUNS)]
    off = [_distance(exact, _train(module, plan, each, labels, torch.float32)) for each in rounded]
    return Agreement(_distance(exact, found) / went, max(off) / went)


def _train(
    module: nn.Module, plan: Plan, images: np.ndarray, labels: np.ndarray, dtype: torch.dtype
) -> dict[str, np.ndarray]:
    net = copy.deepcopy(module).to(dtype)
    norms = {name: each for name, each in net.named_modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)}
    for layer in norms.values():
        # Devices move averages no slower than that.
        layer.momentum = max(layer.momentum or 0.0, 1 - LARGEST_KEPT)
    wanted = {parameter.name for parameter in plan.parameters}
    parameters = dict(net.named_parameters())
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in wanted)
    rule = torch.optim.SGD([parameters[name] for name in wanted], plan.optimizer.lr)
    for batch, answers in zip(images, labels, strict=True):
        rule.zero_grad()
        net.eval()  # With each step: LeViT keeps what it made of its biases until it is told its mode.
        for name, layer in norms.items():
            layer.train(f"{name}.running_mean" in plan.batch_statistics)
        logits = _logits(net(torch.from_numpy(batch).to(dtype)))
        torch.autograd.backward(functional.cross_entropy(logits, torch.from_numpy(answers)))
        rule.step()
    moved = wanted | {*plan.batch_statistics}
    moved |= {f"{name.removesuffix('running_mean')}running_var" for name in plan.batch_statistics}
    return {name: tensor.detach().double().numpy() for name, tensor in _tensors(net).items() if name in moved}


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())


def _logits(output: Tensor | Mapping[str, Tensor]) -> Tensor:
    return output if isinstance(output, Tensor) else output["logits"]


def _distance(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> float:
    """Over all tensors, the Euclidean norm of the difference."""
    names: Sequence[str] = sorted(one)
    return float(np.sqrt(sum(float(np.square(one[name] - other[name]).sum()) for name in names)))
