"""The logits among what a module's forward returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

from tbft_artifacts.errors import TbftError

LOGITS_KEY = "logits"


def return_logits(module: nn.Module, output: object, name: str) -> None:
    """Let `module`, which returned `output` for some images, return the logits in it alone.

    Classifiers of other packages return a dict, a tuple or an object that holds them. What is called "logits" is taken,
    else the only tensor (N, classes), else the only tensor. Raises TbftError where that does not say which.
    """
    if isinstance(output, Tensor):
        return
    key = _key_of_logits(output, name)
    module.register_forward_hook(lambda _module, _arguments, result: dict(_parts(result))[key])


def _key_of_logits(output: object, name: str) -> object:
    tensors = {key: value for key, value in _parts(output) if isinstance(value, Tensor)}
    fitting = [key for key, value in tensors.items() if value.dim() == 2 and value.is_floating_point()]
    if LOGITS_KEY in tensors:
        return LOGITS_KEY
    for keys in (fitting, list(tensors)):
        if len(keys) == 1:
            return keys[0]
    if not tensors:
        raise TbftError(
            f"model '{name}' returns an object of type {type(output).__name__}, which holds no tensor",
            "return the logits from its forward, (N, classes)",
        )
    listed = ", ".join(f"{key} {tuple(value.shape)}" for key, value in tensors.items())
    raise TbftError(
        f"model '{name}' returns several tensors, and none is called '{LOGITS_KEY}': {listed}",
        f"return the logits alone from its forward, or in a dict with the key '{LOGITS_KEY}'",
    )


def _parts(output: Any) -> list[tuple[object, object]]:
    """What a dict, a tuple, a list or a dataclass holds, by key, field or number."""
    if isinstance(output, Mapping):
        return list(output.items())
    if isinstance(output, tuple | list):
        return list(zip(getattr(output, "_fields", range(len(output))), output, strict=True))
    if is_dataclass(output):
        return [(field.name, getattr(output, field.name)) for field in fields(output)]
    return []
