"""Read trained weights from a file, without running anything that is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tbft_artifacts.errors import TbftError
from tbft_export.sources.checkpoint import read_checkpoint
from tbft_export.sources.kinds import check_kinds
from tbft_export.sources.named import check_weights_file
from tbft_export.sources.state_names import COUNTER, common_prefix, find_tensors, first_tensors


@dataclass(frozen=True)
class State:
    """Tensors by name, in float32 where they are numbers of a network, and what its owner may not know of them."""

    tensors: dict[str, Tensor]
    note: str = ""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of `find_state` for a network whose names are not known."""
    return find_state(path).tensors


def find_state(path: Path, expected: frozenset[str] = frozenset()) -> State:
    """A state dict, as float32, from `.safetensors` or whatever torch.save wrote: `.pth`, `.pt`, `.ckpt`, `.bin`.

    Of a checkpoint those tensors which have the `expected` names, or have them behind what wrappers put ahead. Raises
    TbftError for a missing file, one that holds no state dict, and tensors that are no numbers.
    """
    check_weights_file(path)
    content = _read_safetensors(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    found, note = find_tensors(content, expected) if expected else (None, "")
    found = found or first_tensors(content)
    if found is None:
        raise TbftError(f"'{path}' holds no state dict", "save it with torch.save(model.state_dict(), path)")
    check_kinds(found.tensors, f"'{path}'")
    tensors = {name: each.float() if each.is_floating_point() else each for name, each in found.tensors.items()}
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise TbftError(f"tensor '{name}' of '{path}' holds values that are no numbers", "train the model again")
    return State(tensors, note)


def _read_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise TbftError(f"'{path}' is no valid safetensors file: {error}", "save the weights again") from error


def load_into(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy `state` into `module`. Raises TbftError that names the tensors which do not fit."""
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    check_fit(expected, state, path)
    # It knows of which version its layers are; MNASNet's ask for that.
    fresh = module.state_dict()
    fresh.update(state)
    module.load_state_dict(fresh, strict=False)


def check_fit(expected: Mapping[str, tuple[int, ...]], state: Mapping[str, Tensor], path: Path) -> None:
    """Raises TbftError that names the tensors of `state` which are missing, unexpected or misshapen.

    Counters of batches are neither needed nor in the way.
    """
    problems = [f"missing {name}" for name in expected if name not in state and not name.endswith(COUNTER)]
    problems += [f"unexpected {name}" for name in state if name not in expected and not name.endswith(COUNTER)]
    problems += [
        f"{name} is {tuple(state[name].shape)}, not {shape}"
        for name, shape in expected.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    if problems:
        shown = "; ".join(problems[:6]) + (f"; and {len(problems) - 6} more" if len(problems) > 6 else "")
        names = frozenset(name for name in expected if not name.endswith(COUNTER))
        hint = "check `model`, `classes` and `image_size` against how the weights were trained"
        if prefix := common_prefix(state, names):
            hint = f"names in the file begin with '{prefix}', which the model's do not: save the weights without it"
        elif prefix := common_prefix(expected, frozenset(state)):
            hint = f"names of the model begin with '{prefix}', which those in the file do not: save the weights with it"
        raise TbftError(f"weights '{path}' do not fit the model: {shown}", hint)
