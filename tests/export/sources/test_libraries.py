"""`--model timm:NAME` and `torchvision:NAME`, with packages that stand in for them: neither is needed here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from support.refusals import refusal
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.preprocessing import CenterCrop, Normalize, Resize
from tbft_export import ExportOptions, export_bundle

NETWORK = """
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self, classes=9, channels=3):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4, 3, padding=1)
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        return self.fc(self.conv1(x).relu().mean((2, 3)))
"""
TIMM = """
from network_of_tests import Network

def list_models(): return ["tiny", "tiny_net"]
def list_pretrained(): return ["tiny.in1k"]

def create_model(name, pretrained=False, num_classes=9, in_chans=3):
    if pretrained:
        raise OSError("no route to host")
    model = Network(num_classes, in_chans)
    model.pretrained_cfg = {"input_size": (3, 16, 16), "crop_pct": 0.875, "interpolation": "bicubic",
                            "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    return model
"""
MODELS = """
from types import SimpleNamespace
from network_of_tests import Network
import sys

def list_models(module): assert module is sys.modules[__name__]; return ["small"]
def get_model(name, weights=None, **asked): return Network(asked.get("num_classes", 9))
def get_model_weights(name):
    transforms = SimpleNamespace(crop_size=[16], resize_size=[20], mean=[0.5] * 3, std=[0.25] * 3,
                                 interpolation=SimpleNamespace(value="lanczos"))
    return SimpleNamespace(DEFAULT=SimpleNamespace(transforms=lambda: transforms))
"""
# As on PyPI beside a torch for CPUs alone.
WITHOUT_OPERATORS = "raise RuntimeError('operator torchvision::nms does not exist')"


def forget(*packages: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


@pytest.fixture
def libraries(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages, found ahead of all others."""
    folder = tmp_path_factory.mktemp("packages")
    files = {
        "network_of_tests.py": NETWORK,
        "timm/__init__.py": TIMM,
        "torchvision/__init__.py": "from torchvision import _meta_registrations, models",
        "torchvision/_meta_registrations.py": "",
        "torchvision/models.py": MODELS,
    }
    for name, code in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(code)
    names = ("network_of_tests", "timm", "torchvision")
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in names}
    forget(*names)
    monkeypatch.syspath_prepend(folder)
    yield folder
    forget(*names)
    sys.modules.update(kept)


def saved(folder: Path, classes: int, channels: int = 3) -> Path:
    from network_of_tests import Network  # type: ignore[import-not-found]

    torch.manual_seed(3)
    torch.save({"state_dict": Network(classes, channels).state_dict()}, folder / "trained.ckpt")
    return folder / "trained.ckpt"


def exported(folder: Path, model: str, **options: object) -> Manifest:
    weights = saved(folder, 5, channels=int(options.get("channels", 3)))  # type: ignore[call-overload]
    asked = ExportOptions(model, "output", weights=weights, **options)  # type: ignore[arg-type]
    return export_bundle(asked, folder / "bundle").manifest


def test_a_network_of_timm_is_fed_as_it_was_trained(tmp_path: Path, libraries: Path) -> None:
    """With the size, the crop, the filter and the pixels of its configuration, and as many classes as its weights."""
    manifest = exported(tmp_path, "timm:tiny.in1k")
    assert manifest.model == "timm:tiny.in1k"
    assert len(manifest.classes) == 5
    assert manifest.image_size == 16
    normalize = Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert manifest.preprocessing[2:] == (Resize(18, "bicubic"), CenterCrop(16), normalize)


def test_what_is_said_wins(tmp_path: Path, libraries: Path) -> None:
    head = {"new_head": True, "classes": ("a", "b", "c")}
    manifest = exported(tmp_path, "timm:tiny", image_size=28, mean=(0.7,), **head)
    assert manifest.classes == ("a", "b", "c")
    normalize = Normalize((0.7,) * 3, (0.4, 0.5, 0.6))
    assert manifest.preprocessing[2:] == (Resize(32, "bicubic"), CenterCrop(28), normalize)


def test_other_channels(tmp_path: Path, libraries: Path) -> None:
    manifest = exported(tmp_path, "timm:tiny", channels=1, mean=(0.5,), std=(0.5,))
    assert manifest.input_shape is not None


@pytest.mark.parametrize("operators", [True, False], ids=["whole", "without operators"])
def test_a_network_of_torchvision(tmp_path: Path, libraries: Path, operators: bool) -> None:
    """Also where its C++ operators do not load, of which no classifier has any. Of filters the nearest is taken."""
    if not operators:
        (libraries / "torchvision" / "_meta_registrations.py").write_text(WITHOUT_OPERATORS)
    manifest = exported(tmp_path, "torchvision:small")
    assert len(manifest.classes) == 5
    assert manifest.preprocessing[2:] == (Resize(20), CenterCrop(16), Normalize((0.5,) * 3, (0.25,) * 3))


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        ({"model": "timm:tinny"}, "timm has no classifier 'tinny'", "names like it: tiny"),
        ({"model": "torchvision:x"}, "torchvision has no classifier 'x'", "lists its names"),
        ({"model": "timm:tiny", "weights": None}, "model 'timm:tiny' has no weights", "`weights` pretrained"),
        ({"model": "timm:tiny", "weights": "pretrained"}, "cannot be made: OSError: no route to host", "connection"),
        ({"model": "timm:tiny", "weights": "none.pth"}, "'none.pth' does not exist", "`weights`"),
    ],
)
def test_what_is_refused(tmp_path: Path, libraries: Path, changes: dict[str, object], said: str, hint: str) -> None:
    options = {"drift": "output", "weights": saved(tmp_path, 5), **changes}
    error = refusal(ExportOptions(**options), tmp_path)  # type: ignore[arg-type]
    assert said in error.message
    assert hint in error.hint


def test_a_package_that_is_not_there_is_named(tmp_path: Path, libraries: Path) -> None:
    options = ExportOptions("timm:tiny", "output", weights=saved(tmp_path, 5))
    (libraries / "timm" / "__init__.py").write_text("import yaml_of_nobody")
    error = refusal(options, tmp_path)
    assert error.message == "package 'yaml_of_nobody' is not installed here"
    assert error.hint == "pip install timm"


@pytest.mark.parametrize("model", ["timm:tiny", "torchvision:small"])
def test_a_package_that_does_not_load_is_named(tmp_path: Path, libraries: Path, model: str) -> None:
    """Whatever else its C++ does."""
    options = ExportOptions(model, "output", weights=saved(tmp_path, 5))
    for name in ("timm", "torchvision"):
        (libraries / name / "__init__.py").write_text("raise RuntimeError('undefined symbol: _ZN5torch')")
    error = refusal(options, tmp_path)
    assert "does not load: undefined symbol" in error.message
    assert "fits the installed torch" in error.hint
