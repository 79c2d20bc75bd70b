"""Chosen rows of convolutions: where they begin, what a graph takes for layers without any, how they go back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tbft_artifacts.plan import Parameter, Plan
from tbft_artifacts.sparse import SparseLayer
from tbft_runtime.graphs.sessions import Tensors

Arrays = dict[str, np.ndarray]
# Output channels of layers, by their weights.
Channels = Mapping[str, Sequence[int]]
NO_CHANNELS: Channels = MappingProxyType({})


def starting_rows(plan: Plan, channels: Channels, base: Tensors) -> Arrays:
    """Of each chosen layer its rows (k, C / groups, kh, kw) as they are in `base`, and which they are, (k,) int64."""
    rows: Arrays = {}
    for layer in plan.sparse_layers:
        if layer.weight in channels:
            numbers = np.array(channels[layer.weight], np.int64)
            rows |= {layer.rows: base[layer.weight][numbers], layer.channels: numbers}
    return rows


def fixed_inputs(plan: Plan, current: Tensors) -> Arrays:
    """Inputs of the gradient graph that no step changes: which rows are trained, and no row of all other layers."""
    inputs: Arrays = {}
    for layer in plan.sparse_layers:
        if layer.channels in current:
            inputs[layer.channels] = current[layer.channels]
        else:
            inputs |= {layer.rows: _no_rows(layer), layer.channels: np.empty(0, np.int64)}
    return inputs


def empty_gradients(plan: Plan) -> Arrays:
    """Outputs of the gradient graph that have nothing in them: for layers that are not chosen."""
    trained = {parameter.name for parameter in plan.parameters}
    idle = [layer for layer in plan.sparse_layers if layer.rows not in trained]
    return {Parameter(layer.rows, (0, *layer.shape[1:])).gradient: _no_rows(layer) for layer in idle}


def merged(plan: Plan, base: Tensors, changed: Tensors) -> Tensors:
    """All weights: those of `base`, with what `changed` has instead, chosen rows put in their places."""
    weights = {**base, **changed}
    for layer in plan.sparse_layers:
        if layer.rows in changed:
            whole = base[layer.weight].copy()
            whole[weights.pop(layer.channels)] = weights.pop(layer.rows)
            weights[layer.weight] = whole
    return weights


def measurable(plan: Plan) -> tuple[Plan, Channels]:
    """The plan and what is chosen of it where times are measured, without images to choose by: every second channel."""
    if plan.sparse is None:
        return plan, NO_CHANNELS
    channels = {layer.weight: range(0, layer.shape[0], 2) for layer in plan.sparse_layers}
    return plan.with_channels(channels), channels


def _no_rows(layer: SparseLayer) -> np.ndarray:
    return np.empty((0, *layer.shape[1:]), np.float32)
