"""Networks of torchvision written as `.onnx` files. Host, with torchvision; dynamo's exporter needs onnxscript."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime import quantization
from torch import Tensor, nn

from benchmarks.exporters import data
from benchmarks.zoo.factories import settled
from benchmarks.zoo.networks import Network

# Of the forms that are no matter of opsets.
OPSET = 17
_CALIBRATING = 40
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def by_default(network: Network, dynamo: bool, opset: int, path: Path) -> None:
    """As `torch.onnx.export` writes what it is told nothing of but the exporter and the opset."""
    _write(settled(network, _shown(network)), network, path, dynamo=dynamo, opset_version=opset)


def norms_kept(path: Path, network: Network) -> None:
    """As this project asks for: batch norms stay nodes of their own."""
    kept = torch.onnx.TrainingMode.PRESERVE
    _write(settled(network, _shown(network)), network, path, training=kept, do_constant_folding=False)


def two_outputs(path: Path, network: Network) -> None:
    """Logits, and probabilities beside them."""
    _write(
        _WithProbabilities(settled(network, _shown(network))), network, path, output_names=["logits", "probabilities"]
    )


def open_sides(path: Path, network: Network) -> None:
    """Images of any number, height and width."""
    _write(
        settled(network, _shown(network)),
        network,
        path,
        input_names=["x"],
        dynamic_axes={"x": {0: "n", 2: "height", 3: "width"}},
    )


def bytes_last(path: Path, network: Network) -> None:
    """Pixels as they come: bytes, channels last, normalised inside."""
    channels, height, width = network.shape
    pixels = torch.zeros(1, height, width, channels, dtype=torch.uint8)
    torch.onnx.export(
        _OfPixels(settled(network, _shown(network))).eval(), (pixels,), str(path), dynamo=False, opset_version=OPSET
    )


def float16(path: Path, network: Network) -> None:
    """Weights, images and logits of 16 bits."""
    shown = torch.zeros(1, *network.shape, dtype=torch.float16)
    torch.onnx.export(settled(network, _shown(network)).half(), (shown,), str(path), dynamo=False, opset_version=OPSET)


def quantised(path: Path, network: Network) -> None:
    """As ONNX Runtime's quantiser rewrites the default file: 8 bits, a scale for each filter."""
    whole = path.with_name("float32.onnx")
    by_default(network, False, OPSET, whole)
    prepared = path.with_name("prepared.onnx")
    quantization.quant_pre_process(str(whole), str(prepared))
    taken = onnx.load(prepared).graph.input[0].name
    quantization.quantize_static(str(prepared), str(path), _Shown(taken, network), per_channel=True)


def _write(module: nn.Module, network: Network, path: Path, **settings: object) -> None:
    shown = torch.zeros(1, *network.shape)
    told: dict[str, object] = {"dynamo": False, "opset_version": OPSET} | settings
    torch.onnx.export(module.eval(), (shown,), str(path), **told)  # type: ignore[arg-type]


def _shown(network: Network) -> np.ndarray:
    """Pictures like those that are trained on, (N, C, H, W), normalised as a bundle does by default."""
    pixels, _ = data.pictures(_CALIBRATING, network.shape[1], seed=3)
    normalised: np.ndarray = (pixels / 255 - np.array(_MEAN)) / np.array(_STD)
    return np.asarray(normalised.transpose(0, 3, 1, 2), np.float32)


class _WithProbabilities(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, shown: Tensor) -> tuple[Tensor, Tensor]:
        logits: Tensor = self.inner(shown)
        return logits, logits.softmax(1)


class _OfPixels(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).reshape(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        shown = pixels.permute(0, 3, 1, 2).float() / 255
        logits: Tensor = self.inner((shown - self.mean) / self.std)
        return logits


class _Shown(quantization.CalibrationDataReader):  # type: ignore[misc]
    """The images by which ranges of activations are measured."""

    def __init__(self, name: str, network: Network) -> None:
        self._name = name
        self._left: Iterator[np.ndarray] = iter(_shown(network))

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._left, None)
        return None if image is None else {self._name: image[None]}
