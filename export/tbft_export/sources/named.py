"""What a user can name as a model or weights, told apart before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tbft_artifacts.errors import TbftError

BUILT_IN_NAMES = ("resnet26", "efficientnet-lite0")

# Of files that people take for a model.
_WEIGHTS = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors")

# Packages whose networks are known by name.
LIBRARIES = ("timm", "torchvision")
# The word for weights that a library downloads.
PRETRAINED = "pretrained"

ModelKind = Literal["built-in", "onnx", "library", "factory"]


def model_kind(model: str) -> ModelKind:
    """Where `model` comes from. Raises TbftError for what is none of those."""
    if model.endswith(".onnx"):
        return "onnx"
    if model in BUILT_IN_NAMES:
        return "built-in"
    if model.partition(":")[0] in LIBRARIES and ":" in model:
        return "library"
    if ":" in model:
        return "factory"
    if model.endswith(".pt2"):
        raise TbftError(
            f"'{model}' is a program of torch.export, and to read one may run what is in it",
            "where you trust it: torch.onnx.export(torch.export.load(path), (), 'model.onnx'), then `model` model.onnx",
        )
    if model.endswith(_WEIGHTS):
        raise TbftError(
            f"'{model}' holds weights, not a network",
            "give it with `weights`, and with `model` the network that it is of",
        )
    named = ", ".join((*BUILT_IN_NAMES, *(f"{library}:name" for library in LIBRARIES)))
    hint = f"use {named}, package.module:factory, or the path of an .onnx file"
    raise TbftError(f"unknown model '{model}'", hint)


def check_weights_file(path: Path) -> None:
    """Raises TbftError if there is no file at `path`."""
    if not path.is_file():
        raise TbftError(f"weights file '{path}' does not exist", "check `weights`")


def check_weights(model: str, weights: Path | None) -> None:
    """Raises TbftError for weights that are no file, and for a network of a library without any."""
    if model_kind(model) == "library":
        library = model.partition(":")[0]
        if weights is None:
            raise TbftError(
                f"model '{model}' has no weights",
                f"give trained ones with `weights`, or `weights` {PRETRAINED} for those that {library} downloads",
            )
        if is_pretrained(weights):
            return
    if weights is not None:
        check_weights_file(weights)


def is_pretrained(weights: Path) -> bool:
    """Whether those weights are meant that a library downloads; a file of that name has its folder ahead of it."""
    return str(weights) == PRETRAINED
