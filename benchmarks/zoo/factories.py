"""`tbft-edge export --model benchmarks.zoo.factories:NAME`: each network of the zoo, as training would leave it."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn

from benchmarks.zoo import own
from benchmarks.zoo.networks import BY_NAME, CLASSES, Network

SEED = 0
_SETTLING = 16
_OFF = 0.1
_HEAD = 0.02


def __getattr__(name: str) -> Callable[[], nn.Module]:
    if name not in BY_NAME:
        raise AttributeError(name)
    return partial(make, BY_NAME[name])


def make(network: Network) -> nn.Module:
    """The network with seeded weights, and running statistics of images, each a little off: they are no trained ones.

    Raises ImportError where its package is not installed.
    """
    module = settled(network, images(network, _SETTLING))
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for norm in _norms(module):
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                if tensor is not None:
                    tensor *= 1 + _OFF * torch.randn(tensor.shape, generator=generator)
            if norm.running_var is not None:
                norm.running_var.abs_().clamp_(min=1e-6)
        for layer in module.modules():
            # Heads begin so in some packages, and no gradient goes through them.
            if isinstance(layer, nn.Linear) and not layer.weight.any():
                layer.weight.normal_(std=_HEAD, generator=generator)
    return module


def settled(network: Network, shown: np.ndarray) -> nn.Module:
    """The network in eval mode with seeded weights, and running statistics of the images `shown` (N, C, H, W)."""
    torch.manual_seed(SEED)
    module = _construct(network).eval()
    norms = _norms(module)
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        module(torch.from_numpy(shown))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    return module.eval()


def _norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def images(network: Network, count: int, seed: int = 0) -> np.ndarray:
    """(count, C, H, W) float32: waves of some directions and lengths with boxes, about mean 0 and spread 1."""
    channels, height, width = network.shape
    rng = np.random.default_rng(seed)
    rows, columns = np.arange(height)[:, None] / height, np.arange(width) / width
    found = np.zeros((count, channels, height, width))
    for _ in range(4):
        down, across, phase = (rng.uniform(-6, 6, (count, channels, 1, 1)) for _ in range(3))
        found += np.sin(2 * np.pi * (down * rows + across * columns) + phase) / 2
    for image in found:
        top, left = (int(rng.uniform(0, 0.7) * side) for side in (height, width))
        image[:, top : top + height // 4 + 1, left : left + width // 4 + 1] += rng.standard_normal((channels, 1, 1))
    return found.astype(np.float32)


def _construct(network: Network) -> nn.Module:
    options = dict(network.options or {})
    match network.source:
        case "own":
            made: nn.Module = getattr(own, network.key)(CLASSES)
        case "torchvision":
            without_c_library()
            made = getattr(importlib.import_module("torchvision.models"), network.key)(num_classes=CLASSES, **options)
        case "timm":
            without_c_library()
            made = importlib.import_module("timm").create_model(network.key, num_classes=CLASSES, **options)
        case "pytorchcv":
            without_c_library()
            provider = importlib.import_module("pytorchcv.model_provider")
            known = network.key.endswith("_cifar10")  # Those have ten classes of their own.
            classes = {} if known else {"num_classes": CLASSES}
            size = {} if known else {"in_size": network.shape[1:]}
            made = provider.get_model(network.key, pretrained=False, **classes, **size, **options)
    return made


def without_c_library() -> None:
    """PyPI's torchvision beside a PyTorch without CUDA lacks its C++ operators, of which no classifier needs one."""
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
