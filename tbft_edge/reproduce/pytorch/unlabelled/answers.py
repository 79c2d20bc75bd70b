"""What a network answers to images, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from tbft_edge.reproduce.pytorch.evaluation import EVALUATION_BATCH
from tbft_edge.reproduce.pytorch.images import network_input
from tbft_runtime.data.draw import in_batches

# Images as a network sees them (N, 3, S, S) -> logits (N, classes).
Answer = Callable[[Tensor], Tensor]


def entropies(logits: Tensor) -> Tensor:
    """Of each answer, in nats: logits (N, C) -> (N,)."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)


def features(network: nn.Module, head: nn.Linear, images: Tensor) -> Tensor:
    """What the last layer `head` of the network is given for images (N, 3, S, S): (N, F)."""
    seen: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        network(images)
    finally:
        hook.remove()
    return seen[0]


@torch.no_grad()
def every_feature(network: nn.Module, head: nn.Linear, images: np.ndarray) -> Tensor:
    """Those of all images (N, S, S, 3) uint8, with running statistics: (N, F). `network` is in eval mode afterwards."""
    network.eval()
    return torch.cat([features(network, head, network_input(part)) for part in in_parts(images)])


def in_parts(images: np.ndarray) -> Iterator[np.ndarray]:
    """Images (N, …) in their order, as many at a time as are evaluated at once."""
    return (images[part] for part in in_batches(np.arange(len(images)), EVALUATION_BATCH))
