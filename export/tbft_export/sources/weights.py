"""Read trained weights from a file, without running anything that is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tbft_artifacts.errors import TbftError

# Where training scripts commonly put the state dict inside a checkpoint.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_DATA_PARALLEL = "module."
_COUNTER = "num_batches_tracked"


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """A state dict from `.pth`, `.pt` (loaded with `weights_only=True`) or `.safetensors`, as float32.

    Raises TbftError for a missing file, an unknown kind, or one that is no state dict.
    """
    if not path.is_file():
        raise TbftError(f"weights file '{path}' does not exist", "check `weights`")
    match path.suffix:
        case ".safetensors":
            try:
                content: object = load_file(path)
            except SafetensorError as error:
                raise TbftError(f"'{path}' is no valid safetensors file: {error}", "save the weights again") from error
        case ".pth" | ".pt":
            content = _read_torch(path)
        case _:
            raise TbftError(f"'{path}' is neither .pth, .pt nor .safetensors", "save a state dict in one of those")
    return _unwrap(content, path)


def load_into(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Copy `state` into `module`. Raises TbftError that names the tensors which do not fit."""
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    check_fit(expected, state, path)
    module.load_state_dict(dict(state), strict=False)


def check_fit(expected: Mapping[str, tuple[int, ...]], state: Mapping[str, Tensor], path: Path) -> None:
    """Raises TbftError that names the tensors of `state` which are missing, unexpected or misshapen.

    Counters of batches are neither needed nor in the way.
    """
    problems = [f"missing {name}" for name in expected if name not in state and not name.endswith(_COUNTER)]
    problems += [f"unexpected {name}" for name in state if name not in expected and not name.endswith(_COUNTER)]
    problems += [
        f"{name} is {tuple(state[name].shape)}, not {shape}"
        for name, shape in expected.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    if problems:
        shown = "; ".join(problems[:6]) + (f"; and {len(problems) - 6} more" if len(problems) > 6 else "")
        raise TbftError(
            f"weights '{path}' do not fit the model: {shown}",
            "check `model`, `classes` and `image_size` against how the weights were trained",
        )


def _read_torch(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged file can make the unpickler raise almost anything.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TbftError(
            f"'{path}' cannot be read as plain tensors: {reason}",
            "save only the state dict: torch.save(model.state_dict(), path)",
        ) from error


def _unwrap(content: object, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content or not all(map(_is_plain, content, content.values())):
        raise TbftError(f"'{path}' holds no state dict", "save it with torch.save(model.state_dict(), path)")
    parallel = all(name.startswith(_DATA_PARALLEL) for name in content)
    start = len(_DATA_PARALLEL) if parallel else 0
    state = {name[start:]: value.float() if value.is_floating_point() else value for name, value in content.items()}
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise TbftError(f"tensor '{name}' of '{path}' holds values that are no numbers", "train the model again")
    return state


def _is_plain(name: object, value: object) -> bool:
    """Whether this is a named, dense tensor of real numbers."""
    return isinstance(name, str) and isinstance(value, Tensor) and not (value.is_sparse or value.is_complex())
