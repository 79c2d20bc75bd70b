"""A fresh last layer for other classes: it alone changes, is always trained, and is the same on every export."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from support import tiny_models
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions, export_bundle
from tbft_export.sources.new_head import replace_head
from tbft_export.sources.resnet26 import ResNet26

OPTIONS = ExportOptions("support.tiny_models:tiny", "feature", image_size=8, new_head=True, classes=("x", "y", "z"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"drift": "output"},
        {"drift": "all"},
        {"drift": None, "method": "bn-only"},
        {"classes": (), "class_count": 3},
    ],
    ids=str,
)
def test_export(tmp_path: Path, changes: dict[str, object]) -> None:
    """Whatever is trained, the head is, too: nobody trained it yet. The export compares it with PyTorch."""
    export_bundle(dataclasses.replace(OPTIONS, **changes), tmp_path / "bundle")  # type: ignore[arg-type]
    bundle = open_bundle(tmp_path / "bundle")
    assert len(bundle.manifest.classes) == 3
    assert bundle.manifest.fresh == ("fc.weight", "fc.bias")
    for plan in bundle.manifest.plans:
        assert {"fc.weight", "fc.bias"} <= {parameter.name for parameter in plan.parameters}
    weights = load_file(bundle.weights)
    trained = tiny_models.tiny().state_dict()
    assert weights["fc.weight"].shape == (3, trained["fc.weight"].shape[1])
    for name in weights.keys() - {"fc.weight", "fc.bias"}:
        np.testing.assert_array_equal(weights[name], trained[name].numpy())


def test_a_built_in_network(tmp_path: Path) -> None:
    """Its weights are for ten classes, which the file says; the head is for three."""
    torch.save(ResNet26().state_dict(), tmp_path / "resnet26.pth")
    options = dataclasses.replace(
        OPTIONS, model="resnet26", weights=tmp_path / "resnet26.pth", drift="output", image_size=None
    )
    export_bundle(options, tmp_path / "bundle")
    assert open_bundle(tmp_path / "bundle").manifest.classes == ("x", "y", "z")
    with pytest.raises(TbftError, match=r"3 class names were given .* 10 classes") as caught:
        export_bundle(dataclasses.replace(options, new_head=False), tmp_path / "another")
    assert "`new_head`" in caught.value.hint


def test_the_head_is_the_same_every_time() -> None:
    """Bundles of one model are equal; what else draws random numbers is left alone."""
    heads = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        expected = torch.rand(1, generator=torch.Generator().manual_seed(seed))
        module = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 9, bias=False)))
        images = torch.zeros(2, 4)
        torch.manual_seed(seed)
        assert replace_head(module, 3, "m", images) == ("1.1.weight",)
        assert torch.equal(torch.rand(1), expected)
        heads.append(module.get_parameter("1.1.weight").detach())
    assert torch.equal(heads[0], heads[1])
    assert heads[0].shape == (3, 4)
    assert heads[0].std() > 0.1  # PyTorch's default is uniform within 1/2 here.


class EarlyLinear(nn.Module):
    """The logits come from a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(3, 3)
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gated = x * self.gate(x.mean((2, 3)))[:, :, None, None]
        logits: torch.Tensor = self.conv(gated).mean((2, 3))
        return logits


def early_linear() -> nn.Module:
    return EarlyLinear().eval()


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        ({"classes": ()}, "for how many classes", "`classes`"),
        ({"model": "support.odd_models:feature_map"}, "not to .N, classes.", "classifier"),
        ({"model": "export.test_new_head:early_linear"}, "does not give its logits", "model itself"),
        ({"new_head": False, "classes": (), "class_count": 3}, "has 4 classes, not 3", "`new_head`"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_has_no_new_head(tmp_path: Path, changes: dict[str, object], said: str, hint: str) -> None:
    with pytest.raises(TbftError, match=said) as caught:
        export_bundle(dataclasses.replace(OPTIONS, **changes), tmp_path / "bundle")  # type: ignore[arg-type]
    assert hint in caught.value.hint
    assert list(tmp_path.iterdir()) == []
