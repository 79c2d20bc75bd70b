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
from tbft_runtime.training.step import StepResult, TargetsResult
from tbft_runtime.training.targets import Targets


@dataclass(frozen=True)
class OldAnswers:
    """Probabilities (n, classes) float32 that the old model gives: to training images in order, and to kept ones."""

    own: np.ndarray
    kept: np.ndarray

    def targets(self, batch: MixedBatch, train: Part, labels: np.ndarray, share: float) -> Targets:
        """(1 - share) * the label + share * the old answer, for the images of a batch with these labels (N,)."""
        old = batch.joined(self.own[train.numbers(batch.own) - train.first], lambda indices: self.kept[indices])
        wanted = np.float32(share) * old
        wanted[np.arange(len(labels)), labels] += np.float32(1 - share)
        images, classes = wanted.shape
        return Targets(wanted, np.zeros(images, np.float32), np.zeros(classes, np.float32))


def old_answers(own: Evaluator, kept: KeptImages, weights: Tensors) -> OldAnswers:
    """What a model of `weights` answers to the images of `own`, and to all kept ones by the same graphs."""
    others = dataclasses.replace(own, part=kept.all_measured, read=kept.read)
    return OldAnswers(_probabilities(own, weights), _probabilities(others, weights))


def correct_answers(result: StepResult | TargetsResult, labels: np.ndarray) -> int:
    """How many answers of a step were right."""
    if isinstance(result, StepResult):
        return result.correct
    return int(np.count_nonzero(result.logits.argmax(axis=1) == labels))


def _probabilities(evaluator: Evaluator, weights: Tensors) -> np.ndarray:
    classes = len(evaluator.bundle.manifest.classes)
    parts = [softmax(logits) for _, logits in evaluator.answers(weights)]
    return np.concatenate([np.empty((0, classes)), *parts]).astype(np.float32)
