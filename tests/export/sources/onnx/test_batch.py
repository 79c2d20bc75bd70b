"""Files for a fixed number of images, whose layers hold that number, are read as what they compute of each image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from support import odd_models
from support.onnx_files import BODY, PIXELS, F, logits, original, small
from support.refusals import refusal
from tbft_export import ExportOptions, export_bundle
from tbft_export.sources.onnx.read import read_onnx

WIDTH, CLASSES = 8, 4


class Tokens(nn.Module):
    """Patches, what is done with them, and the mean of all."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 8, 8)
        self.fc = nn.Linear(WIDTH, CLASSES)

    def among(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.among(self.patches(x).flatten(2).transpose(1, 2)).mean(1))
        return logits


class Heads(Tokens):
    """Images first, then heads."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)

    def among(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).reshape(x.shape[0], x.shape[1], 3, 2, WIDTH // 2).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind(0)
        y = (q @ k.transpose(2, 3)).softmax(-1) @ v
        return x + y.transpose(1, 2).reshape(x.shape)


class TokensFirst(Tokens):
    """PyTorch's own attention: images and heads are one axis on the way, tokens and images another."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, 16)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))

    def among(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(-1, len(x), -1), x.transpose(0, 1)])
        y: Tensor = self.layer(x).transpose(0, 1)
        return y[:, :1]


class ClassToken(Tokens):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.mix = nn.Linear(WIDTH, WIDTH)

    def among(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        return torch.relu(self.mix(x)) * x[:, :1].expand(x.shape)


class Windows(Tokens):
    """Windows of tokens that are images of their own on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(4, 4)

    def among(self, x: Tensor) -> Tensor:
        count = len(x)
        rows = x.view(count, 2, 2, 2, 2, WIDTH).transpose(2, 3).reshape(-1, 4, WIDTH)
        mixed = self.mix(rows.transpose(1, 2)).softmax(1).transpose(1, 2)
        return mixed.view(count, 2, 2, 2, 2, WIDTH).transpose(2, 3).reshape(count, 16, WIDTH)


class Recurrent(Tokens):
    """What it begins with has the batch in it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(WIDTH, WIDTH, batch_first=True)

    def among(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)[0]
        return y[:, -1:]


class Resized(Tokens):
    """An image that is brought to the size of another."""

    def forward(self, x: Tensor) -> Tensor:
        small = self.patches(x)
        large = functional.interpolate(small, size=(9, 7), mode="bilinear", align_corners=False)
        logits: Tensor = self.fc(torch.relu(large).mean((2, 3)))
        return logits


MODULES: dict[str, Callable[[], nn.Module]] = {
    each.__name__: each for each in (Heads, TokensFirst, ClassToken, Windows, Recurrent, Resized)
} | {"u_shaped": odd_models.u_shaped}


def fixed(path: Path, name: str, batch: int, *, fold: bool) -> nn.Module:
    """Write that module for so many images, sizes as constants; with `fold` what follows from them is one, too."""
    torch.manual_seed(0)
    module = MODULES[name]().eval()
    attention = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        torch.onnx.export(
            module,
            (torch.zeros(batch, 3, 32, 32),),
            str(path),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            opset_version=17,
            do_constant_folding=fold,
            training=torch.onnx.TrainingMode.EVAL,
        )
    finally:
        torch.backends.mha.set_fastpath_enabled(attention)
    return module


@pytest.mark.parametrize("fold", [False, True], ids=["as it is", "folded"])
@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("name", MODULES)
def test_sizes_that_hold_the_batch(tmp_path: Path, name: str, batch: int, fold: bool) -> None:
    """The graph computes for five images what the module does."""
    module = fixed(tmp_path / "m.onnx", name, batch, fold=fold)
    images = torch.randn(5, 3, 32, 32)
    with torch.no_grad():
        expected = module(images).numpy()
    found = logits(read_onnx(tmp_path / "m.onnx", None), images.numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "batch"), [("TokensFirst", 1), ("ClassToken", 2), ("Resized", 1)])
def test_what_was_for_one_batch_is_trained(tmp_path: Path, name: str, batch: int) -> None:
    """From the first layer on; the export compares the step with PyTorch's."""
    module = fixed(tmp_path / "m.onnx", name, batch, fold=True)
    exported = export_bundle(ExportOptions(str(tmp_path / "m.onnx"), "full"), tmp_path / "bundle")
    assert exported.checks[0].passed
    trained = {tuple(each.shape) for each in exported.manifest.plans[0].parameters}
    assert {tuple(each.shape) for each in module.parameters() if each.dim() == 3} <= trained


@pytest.mark.parametrize(
    ("batch", "layer", "numbers"),
    [
        (1, 'v = Resize <mode="nearest"> (r, , , numbers) p = GlobalAveragePool (v)', [1, 5, 16, 16]),
        (2, "p = GlobalAveragePool (r) g = Reshape (p, numbers)", [10]),
        (3, "p = GlobalAveragePool (r) g = Reshape <allowzero=1> (p, numbers)", [15]),
    ],
    ids=["resized", "of two", "of three"],
)
def test_numbers_in_a_file(tmp_path: Path, batch: int, layer: str, numbers: list[int]) -> None:
    body = BODY.replace("p = GlobalAveragePool (r)", layer)
    rows = {"rows": np.array([batch, 5])} if "g =" in layer else {}
    body = body.replace("f = Flatten (p)", "f = Reshape (g, rows)") if rows else body
    shapes = {"images": f"float[{batch},3,8,8]", "logits": f"float[{batch},4] y"}
    path = small(tmp_path / "m.onnx", body=body, numbers=np.array(numbers), **shapes, **rows)  # type: ignore[arg-type]
    images = np.concatenate([PIXELS, -PIXELS])
    expected = original(path, images[:batch])
    found = logits(read_onnx(path, None), images)
    assert found.shape == (4, 4)
    np.testing.assert_allclose(found[:batch], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("layer", "numbers"),
    [
        ("t = Transpose <perm=[1,0,2,3]> (p) f = Reshape (t, numbers)", np.array([2, 5])),
        ("f0 = Flatten (p) f = Mul (f0, numbers)", np.array([[1], [2]], F)),
        ("f0 = Flatten (p) m = ReduceMean <axes=[0]> (f0) f = Sub (f0, m)", None),
    ],
    ids=["mixed", "of each", "their mean"],
)
def test_images_that_have_to_do_with_each_other(tmp_path: Path, layer: str, numbers: np.ndarray | None) -> None:
    """The file is to blame, not the image size."""
    body = BODY.replace("f = Flatten (p)", layer)
    shapes = {"images": "float[2,3,8,8]", "logits": "float[2,4] y"}
    given = {} if numbers is None else {"numbers": numbers}
    path = small(tmp_path / "m.onnx", body=body, **shapes, **given)  # type: ignore[arg-type]
    error = refusal(ExportOptions(str(path), "output"), tmp_path)
    assert error.message == "model 'm' is for batches of 2: layers inside hold that number, too"
    assert "dynamic_shapes" in error.hint
