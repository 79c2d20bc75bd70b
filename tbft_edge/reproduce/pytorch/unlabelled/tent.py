"""Tent: answers are made surer by scales and shifts of batch norms.

Source: Wang, Shelhamer, Liu, Olshausen, Darrell, "Tent: Fully Test-Time Adaptation by Entropy Minimization", ICLR 2021
(arXiv 2006.10726), section 3, and the authors' code (DequanWang/tent).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tbft_edge.reproduce.baselines import Tent
from tbft_edge.reproduce.pytorch.batch_norm import adapt_statistics
from tbft_edge.reproduce.pytorch.images import network_input
from tbft_edge.reproduce.pytorch.unlabelled.answers import Answer, entropies
from tbft_runtime.data.draw import in_batches


def tent(network: nn.Module, images: np.ndarray, settings: Tent, seed: int) -> Answer:
    """Adapt `network` to images (N, S, S, 3) uint8, in their order; returns what it answers then.

    Each batch is normalised by its own statistics, and one step of Adam lowers the mean entropy of its answers. The
    paper answers that very batch, with its statistics; here other images are answered later, so those of all images
    are estimated in the end. Raises TbftError if the network has no batch norm.
    """
    optimizer = torch.optim.Adam(norm_parameters(network), settings.lr)
    network.train()
    for batch in in_batches(np.arange(len(images)), settings.batch_size):
        loss = tent_loss(network(network_input(images[batch])))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    adapt_statistics(network, images, batch_size=settings.batch_size, seed=seed)
    return network


def tent_loss(logits: Tensor) -> Tensor:
    """Equation 1, averaged over the batch: − sum over classes of p log p. Logits (N, C) -> a scalar."""
    return entropies(logits).mean()


def norm_parameters(network: nn.Module) -> list[Tensor]:
    """Scale and shift of every batch norm; nothing else needs a gradient afterwards."""
    network.requires_grad_(False)
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    return [parameter.requires_grad_(True) for norm in norms for parameter in (norm.weight, norm.bias)]
