"""SHOT: the head stays, and everything before it learns to give it sure answers of many classes.

Source: Liang, Hu, Feng, "Do We Really Need to Access the Source Data? Source Hypothesis Transfer for Unsupervised
Domain Adaptation", ICML 2020 (arXiv 2002.08546), section 3, and the authors' code (tim-learn/SHOT). As in its
experiments with small pictures, they are neither cropped nor mirrored.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tbft_edge.reproduce.baselines import Shot
from tbft_edge.reproduce.pytorch.images import network_input
from tbft_edge.reproduce.pytorch.unlabelled.answers import Answer, entropies, every_feature
from tbft_runtime.data.draw import shuffled

# That no logarithm is taken of zero, nor anything divided by it: the authors' values.
_EPSILON = 1e-5
_LEAST = 1e-8
# Centroids are made of soft answers first, and once more of the labels that those gave.
_ROUNDS = 2


def shot(network: nn.Module, head: nn.Linear, images: np.ndarray, settings: Shot, seed: int) -> Answer:
    """Adapt what lies before `head` to images (N, S, S, 3) uint8; returns what the network answers then.

    Each epoch begins with pseudo labels for all images. Batch norms use the batch's statistics while training, and
    their running averages for pseudo labels and afterwards, as PyTorch has it. A last batch of one image is left out.
    """
    head.requires_grad_(False)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(
        trained, settings.lr, settings.momentum, weight_decay=settings.weight_decay, nesterov=True
    )
    step, steps = 0, settings.epochs * -(-len(images) // settings.batch_size)
    for epoch in range(1, settings.epochs + 1):
        found = every_feature(network, head, images)
        with torch.no_grad():
            labels = pseudo_labels(found, head(found))
        network.train()
        for batch in shuffled(np.arange(len(images)), settings.batch_size, (seed, epoch)):
            step += 1
            if len(batch) == 1:
                continue
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * (1 + 10 * step / steps) ** -0.75
            loss = shot_loss(network(network_input(images[batch])), labels[batch], settings.pseudo_labels)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    network.eval()
    return network


def pseudo_labels(features: Tensor, logits: Tensor) -> Tensor:
    """Equations 4 and 5: the class of the centroid with the smallest cosine distance to each image's features.

    features (N, F), of the same images logits (N, C) -> (N,) int64. Features get a 1 appended and are scaled to
    length 1. Only classes that some image was given have a centroid.
    """
    classes = logits.shape[1]
    directions = functional.normalize(functional.pad(features, (0, 1), value=1.0))
    weights, found = logits.softmax(1), logits.argmax(1)
    for _ in range(_ROUNDS):
        centroids = weights.T @ directions / (weights.sum(0)[:, None] + _LEAST)
        known = torch.unique(found)
        similarity = directions @ functional.normalize(centroids[known]).T
        found = known[similarity.argmax(1)]
        weights = functional.one_hot(found, classes).to(features.dtype)
    return found


def shot_loss(logits: Tensor, labels: Tensor, weight: float) -> Tensor:
    """Equation 6: mean entropy, less the entropy of the mean answer, plus `weight` times cross-entropy to the labels.

    logits (N, C), pseudo labels (N,) int64 -> a scalar.
    """
    mean = logits.softmax(1).mean(0)
    diversity = -(mean * (mean + _EPSILON).log()).sum()
    return entropies(logits).mean() - diversity + weight * functional.cross_entropy(logits, labels)
