"""How people call what is measured."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.protocol import Engine, Network

ENGINES: Mapping[Engine, str] = {
    "ours": "tbft-edge",
    "pytorch": "PyTorch",
    "channels-last": "PyTorch channels_last",
    "torch-compile": "torch.compile",
    "jax": "JAX",
    "mnn": "MNN",
    "ort-training": "ORT Training",
    "executorch": "ExecuTorch",
}
# Beside a ratio, whose row says that it is PyTorch's or the best of all.
SHORT: Mapping[Engine, str] = {**ENGINES, "pytorch": "plain", "channels-last": "channels_last"}
NETWORKS: Mapping[Network, str] = {
    "resnet26": "ResNet-26",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "mobilenet_v2": "MobileNetV2",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
