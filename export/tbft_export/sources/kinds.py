"""Tensors that do not simply hold numbers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tbft_artifacts.errors import TbftError


def check_kinds(tensors: Mapping[str, object], source: str) -> None:
    """Raises TbftError that names a tensor of `source` which does not simply hold numbers."""
    for key, tensor in tensors.items():
        if isinstance(tensor, Tensor) and (kind := _odd_kind(tensor)):
            raise TbftError(f"tensor '{key}' of {source} is {kind}", "use trained weights that are dense float tensors")


def _odd_kind(tensor: Tensor) -> str:
    """In a word why a tensor is no plain one; nothing of one that is."""
    if tensor.is_meta:
        return "without values (on the meta device)"
    if tensor.is_quantized:
        return "quantised"
    if tensor.is_complex():
        return "complex"
    return "" if tensor.layout == torch.strided else "sparse"
