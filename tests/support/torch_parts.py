"""Ghost batch norm in PyTorch: parts that are normalised each by its own statistics, and averaged as one batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from support.batches import Batch


class PooledAverages:
    """Running averages of norms in training mode, moved once a batch by all that the norms saw of its parts."""

    def __init__(self, norms: Mapping[str, nn.Module]) -> None:
        self._norms = [norm for norm in norms.values() if norm.training]
        self._momenta = [norm.momentum for norm in self._norms]
        self._seen: list[list[Tensor]] = [[] for _ in self._norms]
        for norm, seen in zip(self._norms, self._seen, strict=True):
            # A part moves nothing by itself.
            norm.momentum = 0.0  # type: ignore[assignment]
            norm.register_forward_pre_hook(lambda _norm, inputs, seen=seen: seen.append(inputs[0].detach()))

    def move(self) -> None:
        """Mean and unbiased variance of each channel over the parts behind each other."""
        for norm, momentum, seen in zip(self._norms, self._momenta, self._seen, strict=True):
            values = torch.cat(seen).double().transpose(0, 1).flatten(1)
            for average, batch in ((norm.running_mean, values.mean(1)), (norm.running_var, values.var(1))):
                average.copy_((1 - momentum) * average + momentum * batch)  # type: ignore[operator, union-attr]
            seen.clear()


def in_parts(batch: Batch, least: int | None) -> list[Batch]:
    """As many parts as have `least` images each, the first ones larger where they do not come out even."""
    count = 1 if least is None else max(1, len(batch.labels) // least)
    return [batch.part(rows) for rows in np.array_split(np.arange(len(batch.labels)), count)]
