"""Weights that are never trained: what the owner of a module froze, and what only normalises the input."""

from __future__ import annotations

import onnx_ir as ir
from torch import nn

from tbft_export.blocks.layers import find_layers

_NORMALISING = frozenset({"Sub", "Mul", "Div", "Add"})
_SHOWN = 4


def frozen_in(module: nn.Module) -> frozenset[str]:
    """The parameters that do not require a gradient; none where no parameter does, as of a module for inference."""
    required = {name: value.requires_grad for name, value in module.named_parameters(remove_duplicate=False)}
    return frozenset(name for name, is_trained in required.items() if not is_trained and any(required.values()))


def normalises_input(graph: ir.Graph, weights: frozenset[str]) -> frozenset[str]:
    """The weights that are added to the input or multiplied with it ahead of the first layer.

    A file does not say which of its tensors were parameters; the mean and scale of pixels are none.
    """
    layers = find_layers(graph, sorted(weights))
    first = min(layers.products, default=0)
    return frozenset(
        name
        for index, node in enumerate(graph)
        if index < first and node.op_type in _NORMALISING
        for name in layers.reads.get(index, ())
    )


def note_on(fixed: frozenset[str], weights: frozenset[str]) -> tuple[str, ...]:
    """A line on what is frozen; none where nothing is."""
    names = sorted(fixed & weights)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    told = f"{', '.join(names[:_SHOWN])}{more}"
    return (f"frozen in the model, so that no plan trains it: {told}",) if names else ()
