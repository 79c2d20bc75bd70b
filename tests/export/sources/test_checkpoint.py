"""Weights files as people have them: any suffix, with what training scripts leave in them, and nothing of it is run."""

from __future__ import annotations

import argparse
import datetime
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from support import peoples_modules
from support.refusals import refusal
from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions
from tbft_export.sources.checkpoint import read_checkpoint
from tbft_export.sources.weights import find_state, load_into

State = dict[str, Tensor]
LEFT_BEHIND: dict[str, Any] = {
    "args": argparse.Namespace(lr=0.1, data="photos"),
    "best": np.float64(0.75),
    "score": np.float32(0.5),
    "path": Path("runs/1"),
    "when": datetime.datetime(2026, 1, 2),
}


class Settings:
    """Of a training script that is not here."""

    def __init__(self) -> None:
        self.depth = 3

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("run by the checkpoint",))


def trained() -> nn.Module:
    torch.manual_seed(7)
    return peoples_modules.Answering()


def assert_found(path: Path, state: State) -> None:
    found = find_state(path, frozenset(state)).tensors
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name].double(), state[name].double()) for name in state)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", ["last.ckpt", "model_best.pth.tar", "pytorch_model.bin", "weights", "weights.PTH"])
def test_any_suffix(tmp_path: Path, name: str, zipped: bool) -> None:
    """Lightning, PyTorch's examples and timm, Hugging Face, and none at all."""
    state = trained().state_dict()
    content = {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 3, **LEFT_BEHIND}
    torch.save(content, tmp_path / name, _use_new_zipfile_serialization=zipped)
    assert_found(tmp_path / name, state)


def test_classes_of_elsewhere_are_not_needed_nor_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A checkpoint may name what it likes: each name stands for something that does nothing."""
    state = trained().state_dict()
    content = {"hyper_parameters": Settings(), "state_dict": state, "optimizer": {"state": {0: Settings()}}}
    torch.save(content, tmp_path / "last.ckpt")
    assert_found(tmp_path / "last.ckpt", state)
    assert "run by the checkpoint" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "wrap", [lambda module: module, lambda module: {"model": module, "epoch": 1}], ids=["alone", "in a checkpoint"]
)
def test_a_whole_module_is_refused_in_a_line(tmp_path: Path, wrap: Callable[[nn.Module], object]) -> None:
    path = tmp_path / "model.pt"
    torch.save(wrap(nn.Sequential(nn.Linear(2, 2))), path)
    options = ExportOptions("support.peoples_modules:plain", "output", weights=path, image_size=8)
    error = refusal(options, tmp_path)
    assert f"'{path}' holds a whole object (torch.nn.modules.container.Sequential)" in error.message
    assert "torch.save(model.state_dict(), path)" in error.hint
    assert "\x1b" not in error.message + error.hint


@pytest.mark.parametrize("kind", ["jit", "export"])
def test_a_program_is_refused_in_a_line(tmp_path: Path, kind: str) -> None:
    """Neither is weights; reading them would not need to run anything, but only their module knows the names."""
    path = tmp_path / "program.pt2"
    layer = nn.Linear(2, 2)
    if kind == "jit":
        torch.jit.save(torch.jit.script(layer), str(path))
    else:
        torch.export.save(torch.export.export(layer, (torch.zeros(1, 2),)), path)
    with pytest.raises(TbftError, match=r"holds a program of torch\.jit or torch\.export"):
        read_checkpoint(path)


def test_another_archive_is_refused_in_a_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("cat.jpg", b"")
    with pytest.raises(TbftError, match="cannot be read as plain tensors"):
        read_checkpoint(tmp_path / "photos.zip")


class Versioned(nn.Linear):
    """As torchvision's MNASNet, it takes no state whose version is unknown."""

    _version = 2

    def _load_from_state_dict(self, state: State, prefix: str, metadata: dict[str, Any], *others: Any) -> None:
        if metadata.get("version") not in (1, 2):
            raise ValueError(f"version should be set to 1 or 2 instead of {metadata.get('version')}")
        super()._load_from_state_dict(state, prefix, metadata, *others)


@pytest.mark.parametrize("ahead", ["", "module."])
def test_a_module_that_asks_for_its_version(tmp_path: Path, ahead: str) -> None:
    """It is lost where tensors are taken by name."""
    given, taken = nn.Sequential(Versioned(2, 2)), nn.Sequential(Versioned(2, 2))
    path = tmp_path / "weights.pth"
    torch.save({f"{ahead}{name}": tensor for name, tensor in given.state_dict().items()}, path)
    load_into(taken, find_state(path, frozenset(taken.state_dict())).tensors, path)
    assert torch.equal(taken[0].weight, given[0].weight)
