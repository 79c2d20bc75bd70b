"""Which exit answers an image: the first one that is at least so sure.

How sure an exit is, is its largest softmax probability, and one threshold holds for all exits, as in SPINN
(arXiv 2008.06402), whose policy PersEPhonEE (arXiv 2102.01393) takes over. Neither says how a device finds the
threshold. Here it is the one at which images leave earliest, among those at which the policy is right as often as
wanted on images that were not trained on (`calibrated`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The threshold at which every image goes to the end.
NEVER = 1.0
_SUREST = np.nextafter(NEVER, 0.0)


@dataclass(frozen=True)
class ExitAnswers:
    """What every exit says of labelled images: how sure it is (N, E) float64, and whether it is right (N, E) bool."""

    confidence: np.ndarray
    right: np.ndarray

    @property
    def images(self) -> int:
        return len(self.right)


def confidence(logits: np.ndarray) -> np.ndarray:
    """Largest softmax probability of logits (…, classes) -> (…) float64, below `NEVER` even where it rounds to 1."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    sure: np.ndarray = np.minimum(1 / np.exp(shifted).sum(axis=-1), _SUREST)
    return sure


def leaving(confidence: np.ndarray, threshold: float) -> np.ndarray:
    """(N,) number of the first exit whose confidence (N, E) is at least `threshold`; the last one always answers."""
    sure = confidence >= threshold
    sure[:, -1] = True
    first: np.ndarray = sure.argmax(axis=1)
    return first


def calibrated(answers: ExitAnswers, wanted: float | None) -> float:
    """The lowest threshold at which the policy is right for at least the part `wanted` (0 to 1) of the images.

    None: as often as the last exit is. Where no threshold reaches `wanted`, that which is right most often. It lies
    in the middle between the confidences of two images, so that rounding makes none of them leave elsewhere.
    """
    thresholds, right = _policies(answers)
    accuracies = right / max(1, answers.images)
    reached = np.flatnonzero(accuracies >= (accuracies[0] if wanted is None else wanted))
    if not reached.size:
        reached = np.flatnonzero(right == right.max())
    return float(thresholds[reached[-1]])


def _policies(answers: ExitAnswers) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds (k,) from `NEVER` down, one for each way in which images can leave, and how many answers are right.

    Going down, the answer to an image changes where the threshold meets the confidence of an exit that is surer
    than all before it: from that of the next such exit (or of the last one) to its own.
    """
    early, right = answers.confidence[:, :-1], answers.right.astype(np.int64)
    surest = np.maximum.accumulate(early, axis=1)
    surer = np.ones_like(early, dtype=bool)
    surer[:, 1:] = early[:, 1:] > surest[:, :-1]
    gains = np.zeros(early.shape, np.int64)
    before = right[:, -1]
    for number in reversed(range(early.shape[1])):
        gains[:, number] = right[:, number] - before
        before = np.where(surer[:, number], right[:, number], before)
    values, places = np.unique(early[surer], return_inverse=True)
    steps = np.bincount(places, weights=gains[surer], minlength=len(values))
    met, below = values[::-1], np.append(values[::-1], 0.0)[1:]
    between = below + (met - below) / 2
    thresholds = np.where(between > below, between, met)
    return np.append(NEVER, thresholds), right[:, -1].sum() + np.append(0, np.cumsum(steps[::-1]))
