"""The networks that are counted, in torch alone: the guest has neither torchvision nor the compiler.

`tbft-edge export --model benchmarks.arm.networks:resnet18` takes the factories.
"""

from __future__ import annotations

import torch
from torch import nn

from benchmarks import imagenet_networks
from benchmarks.network import build

# Few, as on a device that tells some things apart.
CLASSES = 10
_SEED = 18
_SETTLING = 4


def network(name: str, image_size: int) -> nn.Module:
    """The network with PyTorch's own random weights, in eval mode. Raises KeyError for an unknown name."""
    if name == "resnet26":
        return build("resnet26", image_size)
    kinds = {"resnet18": imagenet_networks.resnet18, "mobilenet_v2": imagenet_networks.mobilenet_v2}
    return kinds[name](CLASSES).eval()


def resnet18() -> nn.Module:
    """(N, 3, 224, 224) -> (N, 10) logits."""
    return _settled("resnet18")


def mobilenet_v2() -> nn.Module:
    """(N, 3, 224, 224) -> (N, 10) logits."""
    return _settled("mobilenet_v2")


def _settled(name: str) -> nn.Module:
    """Seeded He-initialised weights, and running statistics of a batch of noise."""
    torch.manual_seed(_SEED)
    module = network(name, 224)
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        module.train()(torch.randn(_SETTLING, 3, 224, 224))
    for norm in norms:
        norm.momentum = 0.1
    return module.eval()
