"""A last layer for other classes than those a network was trained for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tbft_artifacts.errors import TbftError

# The same head on every export of a model.
SEED = 0
_ITSELF = "change the head in the model itself"


def replace_head(module: nn.Module, classes: int, name: str, images: Tensor) -> tuple[str, ...]:
    """Put a fresh layer for `classes` in the place of that which gives the logits, as PyTorch initialises it.

    It is the linear layer, or the 1 x 1 convolution, behind which nothing else is learned when `images` pass. Returns
    the names of its parameters. `name` is the model's. Raises TbftError if there is no such layer.
    """
    path, old = _layer_of_logits(module, name, images)
    head = draw_layer(lambda: _fresh(old, classes), old.weight.detach().numpy())
    module.set_submodule(path, head)
    try:
        with torch.no_grad():
            found = tuple(module(images.clone()).shape)
    except Exception as error:  # The user's own forward may raise anything.
        raise TbftError(f"behind the head of model '{name}' are layers for the old classes", _ITSELF) from error
    if found != (len(images), classes):
        raise TbftError(f"model '{name}' gives {found} with a head for {classes} classes", _ITSELF)
    return tuple(f"{path}.{parameter}" for parameter, _ in head.named_parameters())


def draw_layer(make: Callable[[], nn.Linear | nn.Conv2d], old: np.ndarray) -> nn.Linear | nn.Conv2d:
    """What `make` makes, the same each time, and other weights than `old`."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(SEED)
        head = make()
        # The old one was drawn from the same seed, and never trained: no reason to keep it.
        return make() if np.array_equal(head.weight.detach().numpy(), old) else head


def _fresh(old: nn.Linear | nn.Conv2d, classes: int) -> nn.Linear | nn.Conv2d:
    bias = old.bias is not None
    if isinstance(old, nn.Linear):
        return nn.Linear(old.in_features, classes, bias=bias)
    return nn.Conv2d(old.in_channels, classes, 1, (old.stride[0], old.stride[1]), bias=bias)


def _layer_of_logits(module: nn.Module, name: str, images: Tensor) -> tuple[str, nn.Linear | nn.Conv2d]:
    kinds = nn.Linear | nn.Conv2d
    layers = {path: layer for path, layer in module.named_modules() if path and isinstance(layer, kinds)}
    if not layers:
        raise TbftError(f"model '{name}' has no linear layer that a new head could replace", _ITSELF)
    logits, made = _trace_layers(module, layers, images)
    origin = logits.grad_fn
    while origin is not None and origin not in made:
        before = [node for node, _ in origin.next_functions if node is not None and node.name() != _PARAMETER]
        origin = before[0] if len(before) == 1 else None
    if origin is None:
        raise TbftError(
            f"no single linear layer of model '{name}' gives its logits, so there is no head to replace", _ITSELF
        )
    path = made[origin]
    layer = layers[path]
    rows = layer.weight.shape[0]
    if rows != logits.shape[1] or (isinstance(layer, nn.Conv2d) and (layer.kernel_size != (1, 1) or layer.groups != 1)):
        raise TbftError(
            f"layer '{path}' of model '{name}' ({type(layer).__name__} with {rows} outputs) does not give its logits, "
            "a number for each, so it is no head to replace",
            _ITSELF,
        )
    shared = [
        each
        for each, other in module.named_modules(remove_duplicate=False)
        if each != path and (other is layer or getattr(other, "weight", None) is layer.weight)
    ]
    if shared or list(made.values()).count(path) > 1:
        where = f"shares its weights with '{shared[0]}'" if shared else "is used more than once"
        raise TbftError(f"layer '{path}', which gives the logits of model '{name}', {where}", _ITSELF)
    return path, layer


_PARAMETER = "torch::autograd::AccumulateGrad"


def _trace_layers(
    module: nn.Module, layers: dict[str, nn.Linear | nn.Conv2d], images: Tensor
) -> tuple[Tensor, dict[Any, str]]:
    """The logits, and by the node of autograd's graph that made it which layer each result is of."""
    made: dict[Any, str] = {}

    def hook(path: str) -> Any:
        def remember(_module: nn.Module, _arguments: object, output: Tensor) -> None:
            made[output.grad_fn] = path

        return remember

    handles = [layer.register_forward_hook(hook(path)) for path, layer in layers.items()]
    wanted = {parameter: parameter.requires_grad for parameter in module.parameters()}
    try:
        for parameter in wanted:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            logits: Tensor = module(images.clone())
    finally:
        for handle in handles:
            handle.remove()
        for parameter, before in wanted.items():
            parameter.requires_grad_(before)
    return logits, made
