"""What a user can name as a model or weights, told apart before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tbft_artifacts.errors import TbftError

BUILT_IN_NAMES = ("resnet26", "efficientnet-lite0")

ModelKind = Literal["built-in", "onnx", "factory"]


def model_kind(model: str) -> ModelKind:
    """Where `model` comes from. Raises TbftError for what is none of those."""
    if model.endswith(".onnx"):
        return "onnx"
    if model in BUILT_IN_NAMES:
        return "built-in"
    if ":" in model:
        return "factory"
    hint = f"use {', '.join(BUILT_IN_NAMES)}, package.module:factory, or the path of an .onnx file"
    raise TbftError(f"unknown model '{model}'", hint)


def check_weights_file(path: Path) -> None:
    """Raises TbftError if there is no file at `path`, or one of a kind that is not read."""
    if not path.is_file():
        raise TbftError(f"weights file '{path}' does not exist", "check `weights`")
    if path.suffix not in (".pth", ".pt", ".safetensors"):
        raise TbftError(f"'{path}' is neither .pth, .pt nor .safetensors", "save a state dict in one of those")
