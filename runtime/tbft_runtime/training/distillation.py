"""Learning without forgetting: what the old model answers is a part of what the trained one is to answer.

Li, Hoiem, "Learning without Forgetting", ECCV 2016 (arXiv 1606.09282), without a second head and at temperature 1.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from tbft_runtime.data.dataset import Part
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.kept.images import KeptImages
from tbft_runtime.kept.mixing import MixedBatch
from tbft_runtime.softmax import softmax
from tbft_runtime.training.evaluator import Evaluator


@dataclass(frozen=True)
class OldAnswers:
    """Probabilities (n, classes) float32 that the old model gives: to training images in order, and to kept ones."""

    own: np.ndarray
    kept: np.ndarray

    def of(self, batch: MixedBatch, train: Part) -> np.ndarray:
        """Those to the images of a batch, (N, classes), in its order."""
        own = self.own[train.numbers(batch.own) - train.first]
        return batch.joined(own, lambda indices: self.kept[indices])


def old_answers(own: Evaluator, kept: KeptImages, weights: Tensors) -> OldAnswers:
    """What a model of `weights` answers to the images of `own`, and to all kept ones by the same graphs."""
    others = dataclasses.replace(own, part=kept.all_measured, read=kept.read)
    return OldAnswers(_probabilities(own, weights), _probabilities(others, weights))


def _probabilities(evaluator: Evaluator, weights: Tensors) -> np.ndarray:
    classes = len(evaluator.bundle.manifest.classes)
    parts = [softmax(logits) for _, logits in evaluator.answers(weights)]
    return np.concatenate([np.empty((0, classes)), *parts]).astype(np.float32)
