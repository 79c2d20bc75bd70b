"""T3A: the rows of the last layer make way for means of features that were answered surely.

Source: Iwasawa, Matsuo, "Test-Time Classifier Adjustment Module for Model-Agnostic Domain Generalization", NeurIPS
2021, section 3, and the authors' code (matsuolab/T3A).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tbft_edge.reproduce.baselines import T3a
from tbft_edge.reproduce.pytorch.unlabelled.answers import Answer, entropies, every_feature, features


@torch.no_grad()
def t3a(network: nn.Module, head: nn.Linear, images: np.ndarray, settings: T3a) -> Answer:
    """Gather supports from images (N, S, S, 3) uint8; returns what is answered by them.

    The network stays as it is, its batch-norm statistics with it. The paper adds each image that it answers to the
    supports; here they are those of the pool alone.
    """
    templates = t3a_templates(head, every_feature(network, head, images), settings.kept)

    def answer(pixels: Tensor) -> Tensor:
        return features(network, head, pixels) @ templates

    return answer


def t3a_templates(head: nn.Linear, found: Tensor, kept: int) -> Tensor:
    """Algorithm 1: a template for each class, of features (N, F) and the rows of `head` (C, F): (F, C).

    Both are supports of the class that `head` answers to them. Of each class the `kept` whose answers have the lowest
    entropy stay; their directions are summed, and the sum is scaled to length 1. Logits are products with it, without
    a bias.
    """
    supports = torch.cat([head.weight.detach(), found])
    answers = head(supports)
    labels, unsure = answers.argmax(1), entropies(answers)
    directions = functional.normalize(supports)
    templates = torch.zeros_like(head.weight)
    for label in torch.unique(labels):
        members = torch.nonzero(labels == label).flatten()
        chosen = members[unsure[members].argsort(stable=True)[:kept]]
        templates[label] = directions[chosen].sum(0)
    return functional.normalize(templates).T
