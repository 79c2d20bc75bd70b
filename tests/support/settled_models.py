"""The small networks as training leaves them: usual initial weights, running statistics that about fit. Host only."""

from __future__ import annotations

import torch
from torch import nn

from support import mobile_models, tiny_models
from support.batches import random_batches

RESNETS = ("resnet26", "resnet18_like", "bottleneck_net")
MOBILE = ("mobilenet_v2_like", "mobilenet_v3_like")
IMAGE_SIZES = {"resnet26": 32, "resnet18_like": 48, "bottleneck_net": 64, **dict.fromkeys(MOBILE, 32)}
CLASSES = {"resnet26": 10, "resnet18_like": 5, "bottleneck_net": 5, **dict.fromkeys(MOBILE, mobile_models.CLASSES)}


def resnet26() -> nn.Module:
    return _settled("resnet26")


def resnet18_like() -> nn.Module:
    return _settled("resnet18_like")


def bottleneck_net() -> nn.Module:
    return _settled("bottleneck_net")


def mobilenet_v2_like() -> nn.Module:
    return _settled("mobilenet_v2_like")


def mobilenet_v3_like() -> nn.Module:
    return _settled("mobilenet_v3_like")


def _settled(name: str) -> nn.Module:
    """He-initialised convolutions; running statistics of seeded images, off by up to a fifth.

    He's weights are ten times larger than PyTorch's default. That matters for AdamW, which moves every
    element by about the learning rate, in a direction that rounding decides where a gradient is near zero.
    """
    net: nn.Module = getattr(mobile_models if name in MOBILE else tiny_models, name)()
    generator = torch.Generator().manual_seed(len(name))
    norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
    (batch,) = random_batches([32], IMAGE_SIZES[name], CLASSES[name], seed=0)
    with torch.no_grad():
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        net(torch.from_numpy(batch.images))
        for norm in norms:
            norm.eval()
            norm.momentum = 0.1
            assert norm.running_mean is not None
            assert norm.running_var is not None
            off = torch.empty(2, norm.num_features).uniform_(-0.2, 0.2, generator=generator)
            norm.running_mean += off[0] * norm.running_var.sqrt()
            norm.running_var *= 1 + off[1]
    return net
