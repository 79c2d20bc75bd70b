"""The loss of targets that are probabilities, as PyTorch computes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tbft_artifacts.names import INFORMATION, LOG_MARGINAL, TARGETS


@dataclass(frozen=True)
class SoftTargets:
    """`targets` (N, C), `information` (N,) and `log_marginal` (C,), float32, as in `TakeTargetsPass`."""

    targets: np.ndarray
    information: np.ndarray
    log_marginal: np.ndarray

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        """What the graph takes in place of labels."""
        return {TARGETS: self.targets, INFORMATION: self.information, LOG_MARGINAL: self.log_marginal}

    def loss(self, logits: Tensor) -> Tensor:
        """Mean over images of cross-entropy, less `information` times how far an answer is from the marginal one."""
        targets, information, log_marginal = (torch.from_numpy(each).to(logits.dtype) for each in self.feeds.values())
        log_prob = functional.log_softmax(logits, dim=1)
        distance = functional.kl_div(log_marginal.expand_as(log_prob), log_prob, reduction="none", log_target=True)
        return functional.cross_entropy(logits, targets) - (information * distance.sum(dim=1)).mean()


def draw_targets(images: int, classes: int, rng: np.random.Generator) -> SoftTargets:
    """Any probabilities for images, of which every second has a weight, and the last one no label; any marginal."""
    targets = rng.dirichlet(np.ones(classes), images)
    targets[::2] *= 1.5
    targets[-1] = 0
    return SoftTargets(
        targets.astype(np.float32),
        rng.uniform(0.5, 2, images).astype(np.float32),
        np.log(rng.dirichlet(np.full(classes, 4.0))).astype(np.float32),
    )
