"""The model as PyTorch computes it: what every compiled graph is compared with."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tbft_artifacts.errors import TbftError
from tbft_export.passes.quicken_averages import LARGEST_KEPT
from tbft_export.reference.evaluate import precision
from tbft_export.reference.slopes import Slopes
from tbft_export.reference.soft_targets import SoftTargets


class Reference(Protocol):
    """A model that torch.autograd can differentiate."""

    def tensors(self) -> Mapping[str, Tensor]:
        """Parameters and running statistics by name, as they are now."""

    def computing_in(self, dtype: torch.dtype) -> contextlib.AbstractContextManager[None]:
        """Inside, the tensors are copies of this floating-point type, which are forgotten afterwards."""

    def logits(self, images: Tensor, *, batch_statistics: Collection[str]) -> Tensor:
        """(N, C, H, W) -> (N, classes).

        Norms whose running mean is named in `batch_statistics` use those, and move their averages.
        """


@dataclass(frozen=True)
class ReferenceStep:
    """Loss, logits, gradients and those running statistics that moved, after one forward and backward pass.

    `cut_off` names what was to be trained and does not reach the loss.
    """

    loss: float
    logits: np.ndarray
    gradients: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    cut_off: frozenset[str] = frozenset()

    def only(self, names: Collection[str]) -> ReferenceStep:
        """The same without the gradients of others."""
        return replace(self, gradients={name: each for name, each in self.gradients.items() if name in names})

    def require(self, names: Iterable[str]) -> None:
        """Raise TbftError where one of them has no gradient, or one that is no number."""
        for name in names:
            if name in self.cut_off:
                raise TbftError(
                    f"in PyTorch the loss has no gradient for '{name}'",
                    "the forward cuts it off on the way (detach, no_grad): take that out, or train a block behind it",
                )
            if not np.isfinite(self.gradients[name]).all():
                raise TbftError(
                    f"in PyTorch the gradient of '{name}' is no number (NaN or infinite)",
                    "the network itself cannot be trained so: look for roots, logarithms or divisions at zero",
                )


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

    @contextlib.contextmanager
    def computing_in(self, dtype: torch.dtype) -> Iterator[None]:
        before = [(tensor, tensor.data) for tensor in self.tensors().values()]
        try:
            for tensor, data in before:
                tensor.data = data.to(dtype if data.is_floating_point() else data.dtype, copy=True)
            with precision(dtype):
                yield
        finally:
            for tensor, data in before:
                tensor.data = data

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
    wanted: np.ndarray | SoftTargets,
    *,
    dtype: torch.dtype = torch.float32,
    kink: float = 0.0,
    masked: bool = False,
) -> ReferenceStep:
    """One forward and backward pass in PyTorch, in `dtype`; the reference's tensors are as before afterwards.

    The loss is cross-entropy with labels (N,) int64, or that of targets.

    `batch_statistics` names the norms that use them, by their running mean. `kink` moves where activations
    bend, and `masked` makes the backward of ReLU6 and hard-swish a mask (`Slopes`). Raises TbftError where the network
    itself fails.
    """
    try:
        with reference.computing_in(dtype):
            tensors = reference.tensors()
            # Running statistics are vectors; nothing else needs a copy of what it was.
            before = {name: tensor.detach().clone() for name, tensor in tensors.items() if tensor.dim() == 1}
            parameters = {name: tensors[name].requires_grad_(True) for name in trainable}
            with Slopes(shift=kink, masked=masked), torch.set_grad_enabled(bool(parameters)):
                # A copy: forwards that change their input exist.
                logits = reference.logits(torch.tensor(images, dtype=dtype), batch_statistics=batch_statistics)
            loss = (
                wanted.loss(logits)
                if isinstance(wanted, SoftTargets)
                else functional.cross_entropy(logits, torch.from_numpy(wanted))
            )
            gradients = _gradients(loss, parameters)
            moved = {
                name: tensors[name].detach().clone().numpy()
                for name, old in before.items()
                if old.is_floating_point() and name not in parameters and not torch.equal(tensors[name], old)
            }
    except TbftError:
        raise
    except Exception as error:  # The user's own forward, or PyTorch, may raise anything.
        raise TbftError(
            f"the network cannot make a train step in PyTorch: {reason_of(error)}",
            "train it there first; with `batch_norm` frozen batch norms stay as they are",
        ) from error
    return ReferenceStep(
        loss=loss.item(),
        logits=logits.detach().numpy(),
        gradients={name: each.numpy() for name, each in gradients.items() if each is not None},
        statistics=moved,
        cut_off=frozenset(name for name, each in gradients.items() if each is None),
    )


def _gradients(loss: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """The gradient of each parameter; None where there is none."""
    if not (loss.requires_grad and parameters):
        return dict.fromkeys(parameters)
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values()), allow_unused=True), strict=True))


def reason_of(error: BaseException) -> str:
    """What went wrong in code of others, in one line."""
    words = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
