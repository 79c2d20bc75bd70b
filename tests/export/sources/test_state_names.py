"""Trained weights are found in checkpoints under the names that wrappers give them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import Tensor, nn

from support import peoples_modules
from support.refusals import refusal
from tbft_export import Exported, ExportOptions, export_bundle
from tbft_export.sources.weights import load_into

State = dict[str, Tensor]


def trained() -> nn.Module:
    """Weights unlike those that the factory gives."""
    torch.manual_seed(7)
    return peoples_modules.Answering()


def ahead(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def averaged(state: State) -> State:
    return {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def options_of(path: Path, model: str = "plain") -> ExportOptions:
    return ExportOptions(f"support.peoples_modules:{model}", "output", weights=path, image_size=8)


def exported_with(path: Path, state: State) -> Exported:
    """Export with the file, and see that the weights are those of `state`."""
    exported = export_bundle(options_of(path), path.parent / "bundle")
    found = load_file(path.parent / "bundle" / "weights.safetensors")
    for name, tensor in found.items():
        np.testing.assert_array_equal(tensor, state[name].numpy())
    return exported


def compiled(module: nn.Module) -> State:
    state: State = torch.compile(module).state_dict()  # type: ignore[attr-defined]
    return state


FLAT: tuple[Callable[[nn.Module], Any], ...] = (
    lambda module: module.state_dict(),
    lambda module: nn.DataParallel(module).state_dict(),
    compiled,
    lambda module: compiled(nn.DataParallel(module)),
    lambda module: torch.optim.swa_utils.AveragedModel(module).state_dict(),
    lambda module: torch.optim.swa_utils.AveragedModel(nn.DataParallel(module)).state_dict(),
    lambda module: ahead("module.model.", module.state_dict()),
    lambda module: ahead("ema.module.", module.state_dict()) | {"decay": torch.tensor(0.999)},
    lambda module: {name: tensor.double() for name, tensor in module.state_dict().items()},
    lambda module: {name: tensor for name, tensor in module.state_dict().items() if "num_batches" not in name},
)
# Only pickles hold more than tensors by name.
NESTED: tuple[Callable[[nn.Module], Any], ...] = (
    lambda module: ahead("model.", module.state_dict()) | {"loss.weight": torch.ones(3), "accuracy.total": 3},
    lambda module: {"state_dict": ahead("net.", module.state_dict()), "epoch": 3, "optimizer": {"state": {}}},
    lambda module: {"model_state_dict": module.state_dict(), "loss": 0.1},
    lambda module: {"model_ema": {"module": module.state_dict(), "decay": 0.9}},
    lambda module: {"checkpoint": 1, "params": ahead("module.", module.state_dict())},
)


@pytest.mark.parametrize(
    ("made", "suffix"), [(made, ".pth") for made in FLAT + NESTED] + [(made, ".safetensors") for made in FLAT]
)
def test_names_that_wrappers_give(tmp_path: Path, made: Callable[[nn.Module], Any], suffix: str) -> None:
    module = trained()
    content = made(module)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(content, path)
    else:
        save_file({name: tensor.clone() for name, tensor in content.items()}, path)
    assert exported_with(path, module.state_dict()).notes == ()


@pytest.mark.parametrize(
    "made",
    [
        lambda raw: {"model": raw, "model_ema": averaged(raw)},
        lambda raw: {"state_dict_ema": averaged(raw), "state_dict": raw},
        lambda raw: {"state_dict": ahead("ema_model.module.", averaged(raw)) | ahead("model.", raw)},
    ],
)
def test_of_two_sets_the_trained_one_is_taken_and_said(tmp_path: Path, made: Callable[[State], Any]) -> None:
    """Whoever wants the averaged one knows then what to save."""
    state = trained().state_dict()
    torch.save(made(state), tmp_path / "weights.pt")
    (note,) = exported_with(tmp_path / "weights.pt", state).notes
    assert "there are averaged ones, too" in note
    assert "ema" in note


def test_names_that_fit_are_left_alone(tmp_path: Path) -> None:
    """Somebody's wrapper may call what it wraps `module`."""
    torch.save(nn.Sequential(trained()).state_dict(), tmp_path / "numbered.pth")
    error = refusal(options_of(tmp_path / "numbered.pth"), tmp_path)
    assert "missing conv1.weight" in error.message
    assert "begin with '0.'" in error.hint

    wrapped = nn.Module()
    wrapped.module = trained()
    torch.save(wrapped.state_dict(), tmp_path / "wrapped.pth")
    export_bundle(options_of(tmp_path / "wrapped.pth", "wrapped"), tmp_path / "bundle")
    error = refusal(options_of(tmp_path / "numbered.pth", "wrapped"), tmp_path)
    assert "missing module.conv1.weight" in error.message


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8), "'fc.weight' of"),
        (lambda tensor: tensor.to("meta"), "without values"),
        (lambda tensor: tensor.to_sparse(), "sparse"),
        (lambda tensor: tensor.to(torch.complex64), "complex"),
        (lambda tensor: tensor * float("nan"), "no numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_plain_numbers(tmp_path: Path, made: Callable[[Tensor], Tensor], said: str) -> None:
    state = trained().state_dict()
    torch.save(dict(state) | {"fc.weight": made(state["fc.weight"])}, tmp_path / "weights.pth")
    error = refusal(options_of(tmp_path / "weights.pth"), tmp_path)
    assert said in error.message
    assert "'fc.weight'" in error.message


class Versioned(nn.Linear):
    """A layer that asks of which version its weights are, as torchvision's MNASNet does."""

    _version = 2

    def _load_from_state_dict(self, state_dict: State, prefix: str, local_metadata: dict[str, Any], *rest: Any) -> None:
        if local_metadata.get("version") not in (1, 2):
            raise ValueError("version should be set to 1 or 2")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def test_layers_are_told_their_version(tmp_path: Path) -> None:
    """Files of plain tensors do not say it."""
    saved = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
    layer = Versioned(3, 2)
    load_into(layer, saved, tmp_path / "weights.pth")
    assert torch.equal(layer.weight, saved["weight"])
