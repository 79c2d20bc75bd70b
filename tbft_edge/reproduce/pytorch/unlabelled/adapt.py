"""A baseline by its settings: which method they are of."""

from __future__ import annotations

import numpy as np

from tbft_edge.reproduce.baselines import Baseline, Shot, T3a, Tent
from tbft_edge.reproduce.pytorch.unlabelled.answers import Answer
from tbft_edge.reproduce.pytorch.unlabelled.shot import shot
from tbft_edge.reproduce.pytorch.unlabelled.t3a import t3a
from tbft_edge.reproduce.pytorch.unlabelled.tent import tent
from tbft_export.sources.resnet26 import ResNet26


def adapt(network: ResNet26, images: np.ndarray, baseline: Baseline, seed: int) -> Answer:
    """Adapt `network`, which changes, to images (N, S, S, 3) uint8; returns what is answered to others then."""
    match baseline:
        case Tent():
            return tent(network, images, baseline, seed)
        case Shot():
            return shot(network, network.fc, images, baseline, seed)
        case T3a():
            return t3a(network, network.fc, images, baseline)
