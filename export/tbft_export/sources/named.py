"""What a user can name as a model or weights, told apart before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tbft_artifacts.errors import TbftError

BUILT_IN_NAMES = ("resnet26", "efficientnet-lite0")

# Of files that people take for a model.
_WEIGHTS = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors")

ModelKind = Literal["built-in", "onnx", "factory"]


def model_kind(model: str) -> ModelKind:
    """Where `model` comes from. Raises TbftError for what is none of those."""
    if model.endswith(".onnx"):
        return "onnx"
    if model in BUILT_IN_NAMES:
        return "built-in"
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
    hint = f"use {', '.join(BUILT_IN_NAMES)}, package.module:factory, or the path of an .onnx file"
    raise TbftError(f"unknown model '{model}'", hint)


def check_weights_file(path: Path) -> None:
    """Raises TbftError if there is no file at `path`."""
    if not path.is_file():
        raise TbftError(f"weights file '{path}' does not exist", "check `weights`")
