"""Batch-norm statistics re-estimated on new images, with or without training afterwards."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy
from tbft_edge.reproduce.protocol import Protocol
from tbft_edge.reproduce.pytorch.evaluation import evaluate
from tbft_edge.reproduce.pytorch.images import Labelled, network_input
from tbft_edge.reproduce.pytorch.threads import torch_threads
from tbft_export.reference.torch_reference import TorchReference
from tbft_runtime.data.draw import shuffled


def bn_only(module: nn.Module, train: Labelled, test: Labelled, protocol: Protocol, *, threads: int) -> float:
    """Accuracy on `test` (0 to 1) with statistics re-estimated on `train`, whose labels are not used.

    Nothing is trained: what `tbft-edge train --bn adapt --epochs 0` does on a device. `module` keeps the
    new statistics.
    """
    with torch_threads(threads):
        adapt_statistics(module, train.images, batch_size=protocol.batch_size, seed=protocol.seed)
        return evaluate(module, test).accuracy


@torch.no_grad()
def adapt_statistics(module: nn.Module, images: np.ndarray, *, batch_size: int, seed: int) -> None:
    """Replace every running mean and variance by those of `images` (N, S, S, 3) uint8.

    One pass with batch statistics in the device's order; means and unbiased variances of the batches,
    weighted by their images. Changes `module`. Raises TbftError if it has no batch norm.
    """
    norms = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        raise TbftError("the model has no batch norm to re-estimate", "choose another batch-norm policy")
    reference = TorchReference(module)
    totals = [torch.zeros_like(statistic, dtype=torch.float64) for statistic in _statistics(norms)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # A running average is then that of the last batch alone.
    moving = batch_statistics(module, "batch")
    for batch in shuffled(np.arange(len(images)), batch_size, (seed, 0)):
        reference.logits(network_input(images[batch]), batch_statistics=moving)
        for total, statistic in zip(totals, _statistics(norms), strict=True):
            total += statistic.double() * len(batch)
    for total, statistic in zip(totals, _statistics(norms), strict=True):
        statistic.copy_(total / len(images))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.eval()


def batch_statistics(module: nn.Module, policy: BatchNormPolicy) -> tuple[str, ...]:
    """The norms that use the statistics of the batch while training, by the name of their running mean.

    Raises TbftError for the policy `block`, which the paper does not know.
    """
    if policy == "block":
        raise TbftError("the PyTorch engine has no batch-norm policy block", "choose frozen, adapt or batch")
    if policy != "batch":
        return ()
    norms = [name for name, layer in module.named_modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    return tuple(f"{name}.running_mean" for name in norms)


def _statistics(norms: list[nn.modules.batchnorm._BatchNorm]) -> list[Tensor]:
    """Running mean and variance of each norm, as they are now."""
    both = [(norm.running_mean, norm.running_var) for norm in norms]
    return [statistic for pair in both for statistic in pair if statistic is not None]
