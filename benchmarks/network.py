"""Networks with made-up weights that behave like trained ones. Needs torch, and nothing else of the compiler."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from benchmarks import imagenet_networks, inputs
from benchmarks.protocol import Network

CLASSES = {"resnet26": 10}
SEED = 26
# Images that running statistics settle on: of 32 px, and of 224.
SETTLED_ON, SETTLED_ON_LARGE = 64, 16
_SOURCES = Path(__file__).parents[1] / "export" / "tbft_export" / "sources"


def build(network: Network, image_size: int) -> nn.Module:
    """The network with PyTorch's own random weights, in eval mode."""
    built: nn.Module
    match network:
        case "resnet26":
            built = _source("resnet26").ResNet26(classes(network), image_size)
        case "efficientnet_lite0":
            built = _source("efficientnet_lite").EfficientNetLite0(classes(network), image_size)
        case _:
            built = getattr(imagenet_networks, network)()
    return built.eval()


def classes(network: Network) -> int:
    """Those of the logits."""
    return CLASSES.get(network, imagenet_networks.CLASSES)


def settled(network: Network, image_size: int) -> dict[str, Tensor]:
    """A state dict: He-initialised convolutions, running statistics of one batch of the benchmark's images."""
    torch.manual_seed(SEED)
    module = build(network, image_size)
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    images, _ = inputs.batch(SETTLED_ON if network == "resnet26" else SETTLED_ON_LARGE, image_size, classes(network))
    with torch.no_grad():
        module(torch.from_numpy(images))
    return {name: value for name, value in module.state_dict().items() if value.is_floating_point()}


def _source(name: str) -> ModuleType:
    """By its file: the compiler's package would bring onnx and ORT Training into PyTorch's process."""
    spec = importlib.util.spec_from_file_location(name, _SOURCES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
