"""The model as PyTorch computes it: what every compiled graph is compared with."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tbft_artifacts.errors import TbftError
from tbft_export.passes.quicken_averages import LARGEST_KEPT
from tbft_export.reference.slopes import Slopes


class Reference(Protocol):
    """A model that torch.autograd can differentiate."""

    def tensors(self) -> Mapping[str, Tensor]:
        """Parameters and running statistics by name, as they are now."""

    def logits(self, images: Tensor, *, batch_statistics: Collection[str]) -> Tensor:
        """(N, C, H, W) -> (N, classes).

        Norms whose running mean is named in `batch_statistics` use those, and move their averages.
        """


@dataclass(frozen=True)
class ReferenceStep:
    """Loss, gradients and running statistics after one forward and backward pass."""

    loss: float
    gradients: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]


class TorchReference:
    """A torch module; dropout stays off, batch norms are in the mode that is asked for."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._norms = {
            f"{name}.running_mean" if name else "running_mean": layer
            for name, layer in module.named_modules()
            if isinstance(layer, nn.modules.batchnorm._BatchNorm)
        }

    @property
    def norms(self) -> Set[str]:
        """The batch norms that can be put in either mode, by their running mean."""
        return self._norms.keys()

    def tensors(self) -> Mapping[str, Tensor]:
        return dict(self.module.named_parameters()) | dict(self.module.named_buffers())

    def logits(self, images: Tensor, *, batch_statistics: Collection[str]) -> Tensor:
        self.module.eval()
        for mean, layer in self._norms.items():
            layer.train(mean in batch_statistics)
        with _momenta(self._norms.values()):
            output: Tensor = self.module(images)
        return output


@contextlib.contextmanager
def _momenta(norms: Iterable[nn.modules.batchnorm._BatchNorm]) -> Iterator[None]:
    """Averages move as `QuickenAveragesPass` has it; None, PyTorch's mean over all batches, is traced as 0."""
    before = [(layer, layer.momentum) for layer in norms]
    try:
        for layer, momentum in before:
            layer.momentum = max(momentum or 0.0, 1 - LARGEST_KEPT)
        yield
    finally:
        for layer, momentum in before:
            layer.momentum = momentum


def reference_step(
    reference: Reference,
    trainable: Sequence[str],
    batch_statistics: Collection[str],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    kink: float = 0.0,
    masked: bool = False,
) -> ReferenceStep:
    """One forward and backward pass in PyTorch; the reference's tensors are as before afterwards.

    `batch_statistics` names the norms that use them, by their running mean. `kink` moves where activations
    bend, and `masked` makes the backward of ReLU6 and hard-swish a mask (`Slopes`).
    """
    tensors = reference.tensors()
    before = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    parameters = {name: tensors[name].requires_grad_(True) for name in trainable}
    try:
        with Slopes(shift=kink, masked=masked):
            # A copy: forwards that change their input exist.
            logits = reference.logits(torch.from_numpy(images.copy()), batch_statistics=batch_statistics)
        loss = functional.cross_entropy(logits, torch.from_numpy(labels))
        gradients = _gradients(loss, parameters)
        moved = {
            name: tensor.detach().clone().numpy()
            for name, tensor in tensors.items()
            if tensor.is_floating_point() and name not in parameters and not torch.equal(tensor, before[name])
        }
    except TbftError:
        raise
    except Exception as error:  # The user's own forward, or PyTorch, may raise anything.
        raise TbftError(
            f"the network cannot make a train step in PyTorch: {reason_of(error)}",
            "train it there first; with `batch_norm` frozen batch norms stay as they are",
        ) from error
    finally:
        with torch.no_grad():
            for name, tensor in tensors.items():
                tensor.copy_(before[name])
    return ReferenceStep(loss=loss.item(), gradients=gradients, statistics=moved)


def reason_of(error: BaseException) -> str:
    """What went wrong in code of others, in one line."""
    words = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _gradients(loss: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The gradient of each parameter. Raises TbftError where PyTorch has none, or one that is no number."""
    found = (
        torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        if loss.requires_grad
        else [None] * len(parameters)
    )
    gradients = {}
    for name, gradient in zip(parameters, found, strict=True):
        if gradient is None:
            raise TbftError(
                f"in PyTorch the loss has no gradient for '{name}'",
                "the forward cuts it off on the way (detach, no_grad): take that out, or train a block behind it",
            )
        gradients[name] = gradient.numpy()
        if not np.isfinite(gradients[name]).all():
            raise TbftError(
                f"in PyTorch the gradient of '{name}' is no number (NaN or infinite)",
                "the network itself cannot be trained so: look for roots, logarithms or divisions at zero",
            )
    return gradients
