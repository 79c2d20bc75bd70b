"""ResNet-26 with made-up weights that behave like trained ones. Needs torch, and nothing else of the compiler."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import inputs

CLASSES = 10
SEED = 26
_FILE = Path(__file__).parents[1] / "export" / "tbft_export" / "sources" / "resnet26.py"


def resnet26(image_size: int) -> nn.Module:
    """The network with PyTorch's own random weights, in eval mode."""
    # By its file: the compiler's package would bring onnx and ORT Training into PyTorch's process.
    spec = importlib.util.spec_from_file_location("resnet26", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["resnet26"] = module
    spec.loader.exec_module(module)
    network: nn.Module = module.ResNet26(CLASSES, image_size)
    return network.eval()


def settled(image_size: int) -> dict[str, Tensor]:
    """A state dict: He-initialised convolutions, running statistics of one batch of the benchmark's images."""
    torch.manual_seed(SEED)
    network = resnet26(image_size)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    images, _ = inputs.batch(64, image_size, CLASSES)
    with torch.no_grad():
        network(torch.from_numpy(images))
    return {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
