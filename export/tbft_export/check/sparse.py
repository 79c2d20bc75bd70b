"""What the self-check does for sparse plans: choose channels as a device would, and compare rows and scores."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from tbft_artifacts.plan import Plan
from tbft_artifacts.sparse import SparseLayer
from tbft_export.check.measure import Answers
from tbft_export.reference.fisher import reference_fisher
from tbft_export.reference.torch_reference import Reference, ReferenceStep

# How far trained rows lie from those of the base model, relative to their spread: far enough to be told apart.
MOVED = 0.1


@dataclass(frozen=True)
class Rows:
    """Rows of sparse layers in the middle of training: which channels, and their values. None for other plans."""

    layers: tuple[SparseLayer, ...]
    channels: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]

    @property
    def weights(self) -> list[str]:
        """The weights of which channels are chosen."""
        return [layer.weight for layer in self.layers if self.channels[layer.weight].size]

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        """What the gradient graph takes beside the parameters that are always trained."""
        rows = {layer.rows: self.values[layer.weight] for layer in self.layers}
        return rows | {layer.channels: self.channels[layer.weight] for layer in self.layers}

    def trained(self, plan: Plan) -> Plan:
        """`plan` with the rows as parameters."""
        if not self.layers:
            return plan
        return plan.with_channels({name: channels.tolist() for name, channels in self.channels.items()})

    @contextlib.contextmanager
    def in_place(self, reference: Reference) -> Iterator[None]:
        """Let the weights of `reference` have these rows."""
        tensors = reference.tensors()
        before = {name: tensors[name].detach().clone() for name in self.channels}
        with torch.no_grad():
            for name, channels in self.channels.items():
                tensors[name][torch.from_numpy(channels)] = torch.from_numpy(self.values[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in before.items():
                    tensors[name].copy_(tensor)

    def of(self, step: ReferenceStep) -> ReferenceStep:
        """A step of whole weights, with the gradients of their chosen rows alone."""
        gradients = {name: gradient for name, gradient in step.gradients.items() if name not in self.channels}
        rows = {
            layer.rows: step.gradients[layer.weight][self.channels[layer.weight]]
            for layer in self.layers
            if layer.weight in self.weights
        }
        return replace(step, gradients=gradients | rows)


def draw_rows(plan: Plan, weights: Mapping[str, np.ndarray], rng: np.random.Generator) -> Rows:
    """Of one layer all channels, of the next none, of the next some, and so on; rows that differ from the weights'."""
    layers = plan.sparse_layers
    channels, values = {}, {}
    for index, layer in enumerate(layers):
        count = layer.shape[0]
        chosen = (count, 0, int(rng.integers(1, count + 1)))[index % 3]
        channels[layer.weight] = np.sort(rng.permutation(count)[:chosen])
        rows = weights[layer.weight][channels[layer.weight]]
        noise = rng.standard_normal(rows.shape, np.float32) * weights[layer.weight].std()
        values[layer.weight] = rows + np.float32(MOVED) * noise
    return Rows(layers, channels, values)


def fisher_answers(
    plan: Plan, reference: Reference, start: np.ndarray, labels: np.ndarray, dtype: torch.dtype, kink: float = 0.0
) -> Answers:
    """The scores of each layer's channels in PyTorch, from the activations at the boundary on."""
    names = [layer.weight for layer in plan.sparse_layers]
    scores = reference_fisher(reference, names, start, labels, dtype=dtype, kink=kink)
    return scores_in(plan, {layer.fisher: scores[layer.weight] for layer in plan.sparse_layers})


def scores_in(plan: Plan, found: Mapping[str, np.ndarray]) -> Answers:
    """The scores among the outputs of a graph."""
    return Answers(0.0, {}, {layer.fisher: found[layer.fisher] for layer in plan.sparse_layers})
