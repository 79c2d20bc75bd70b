"""A last layer for other classes than those a network was trained for."""

from __future__ import annotations

import torch
from torch import nn

from tbft_artifacts.errors import TbftError

# The same head on every export of a model.
SEED = 0


def replace_head(module: nn.Module, classes: int, name: str) -> tuple[str, ...]:
    """Put a fresh linear layer for `classes` in the place of the last one, as PyTorch initialises it.

    Returns the names of its parameters. `name` is the model's. Raises TbftError if there is no linear layer.
    """
    layers = [(path, layer) for path, layer in module.named_modules() if isinstance(layer, nn.Linear) and path]
    if not layers:
        raise TbftError(
            f"model '{name}' has no linear layer that a new head could replace", "change it in the model itself"
        )
    path, old = layers[-1]
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(SEED)
        head = nn.Linear(old.in_features, classes, bias=old.bias is not None)
    module.set_submodule(path, head)
    return tuple(f"{path}.{parameter}" for parameter, _ in head.named_parameters())
