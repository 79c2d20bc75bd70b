"""Networks that move, split and resize their images train as in PyTorch, small ones of each kind; one is exported."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from support import odd_models
from support.trained_layers import assert_module_trains
from tbft_artifacts.plan import ConvolutionForm
from tbft_export import ExportOptions, export_bundle


class Shuffled(nn.Module):
    """A unit of ShuffleNetV2 between two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, 1)
        self.branch = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 1, 1, groups=4))
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = self.conv1(x).chunk(2, dim=1)
        x = torch.cat([kept, self.branch(changed)], dim=1)
        batch, channels, height, width = x.shape
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, -1, height, width)
        logits: Tensor = self.fc(x[:, [0, 4, 1, 5, 2, 6, 3, 7]].mean((2, 3)))  # Shuffled by indices.
        return logits


class Ghost(nn.Module):
    """As many channels as wanted, of those that it has and of what a depthwise convolution makes of them."""

    def __init__(self) -> None:
        super().__init__()
        self.primary = nn.Conv2d(3, 6, 3, 2, 1)
        self.cheap = nn.Conv2d(6, 6, 3, 1, 1, groups=6)
        self.fc = nn.Linear(9, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.primary(x))
        x = torch.cat([x, self.cheap(x)], 1)[:, :9]
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class Inception(nn.Module):
    """Branches of several windows: pools that round up, and pools that leave their padding out of the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, 2)
        self.low = nn.Conv2d(6, 4, (1, 5), padding=(0, 2))
        self.high = nn.Conv2d(4, 4, (5, 1), padding=(2, 0))
        self.pooled = nn.Conv2d(6, 4, 1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        around = self.pooled(functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False))
        x = torch.cat([self.high(torch.relu(self.low(x))), around], 1)
        logits: Tensor = self.fc(functional.avg_pool2d(x, 3, 2, ceil_mode=True).mean((2, 3)))
        return logits


class Spectrograms(nn.Module):
    """As MLPerf Tiny's network of key words, on 49 frames of 10 numbers, with windows of unequal sides."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, (10, 4), (2, 2), (5, 1))
        self.depthwise = nn.Conv2d(6, 6, 3, 1, 1, groups=6)
        self.pointwise = nn.Conv2d(6, 8, 1)
        self.fc = nn.Linear(8, 12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pointwise(torch.relu(self.depthwise(torch.relu(self.conv1(x)))))
        logits: Tensor = self.fc(functional.avg_pool2d(x, (25, 5)).flatten(1))
        return logits


NETWORKS = {
    "shuffled": (Shuffled, (3, 8, 8)),
    "ghost": (Ghost, (3, 8, 8)),
    "inception": (Inception, (3, 17, 19)),
    "spectrograms": (Spectrograms, (1, 49, 10)),
    "u-shaped": (odd_models.UShaped, (3, 16, 16)),
}


@pytest.mark.parametrize("form", ["direct", "winograd"])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_network(name: str, form: ConvolutionForm) -> None:
    network, shape = NETWORKS[name]
    torch.manual_seed(0)
    assert_module_trains(network(), shape, form=form, seed=1)


@pytest.mark.parametrize("kind", ["module", "onnx"])
def test_export(tmp_path: Path, kind: str) -> None:
    """From its source, and from a file; a step of the whole network is compared with PyTorch."""
    model, size = "support.odd_models:u_shaped", 16
    if kind == "onnx":
        model = str(tmp_path / "model.onnx")
        torch.onnx.export(
            odd_models.u_shaped(),
            (torch.zeros(1, 3, size, size),),
            model,
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            dynamic_axes={"x": {0: "n"}},
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    options = ExportOptions(model, method="full", image_size=None if kind == "onnx" else size)
    assert export_bundle(options, tmp_path / "bundle").manifest.plans
