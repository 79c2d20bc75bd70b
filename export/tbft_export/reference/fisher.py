"""Fisher information of the channels of convolutions, as PyTorch's autograd gives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from tbft_export.reference.slopes import Slopes
from tbft_export.reference.torch_reference import Reference


class _ScaledChannels(TorchFunctionMode):
    """Inside, each output channel of each image of the convolutions with `weights` is multiplied by a 1 of its own."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        super().__init__()
        self.weights = weights
        self.factors: dict[int, Tensor] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is not torch.conv2d:
            return result
        index = next((index for index, weight in enumerate(self.weights) if weight is args[1]), None)
        if index is None:
            return result
        self.factors[index] = torch.ones(*result.shape[:2], 1, 1, requires_grad=True)
        return result * self.factors[index]


def reference_fisher(
    reference: Reference,
    weights: Sequence[str],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    dtype: torch.dtype = torch.float32,
    kink: float = 0.0,
) -> dict[str, np.ndarray]:
    """For each of `weights` Fisher information of its output channels, (K,), with every statistic fixed.

    The derivative of image n's own loss by a factor on channel o of that image is the sum over pixels of a * g, so
    fisher[o] = 1 / (2N) * sum over n of its square. It is computed in `dtype`, and `kink` moves where activations bend
    (`Slopes`).
    """
    with reference.computing_in(dtype):
        tensors = reference.tensors()
        scaled = _ScaledChannels([tensors[name] for name in weights])
        with scaled, Slopes(shift=kink):
            logits = reference.logits(torch.tensor(images, dtype=dtype), batch_statistics=())
        loss = functional.cross_entropy(logits, torch.from_numpy(labels), reduction="sum")
        sums = torch.autograd.grad(loss, [scaled.factors[index] for index in range(len(weights))])
    return {
        name: (each.flatten(1).square().sum(0) / (2 * len(images))).numpy()
        for name, each in zip(weights, sums, strict=True)
    }
