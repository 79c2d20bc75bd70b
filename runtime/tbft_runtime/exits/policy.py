"""Which exit answers an image: the first one that is at least so sure.

How sure an exit is, is its largest softmax probability, and one threshold holds for all exits, as in SPINN
(arXiv 2008.06402), whose policy PersEPhonEE (arXiv 2102.01393) takes over. Neither says how a device finds the
threshold. Here it is the lowest one at which the policy is right as often as wanted on images that were not trained
on, with a standard error to spare (`calibrated`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_runtime.run.exit_answers import ExitAnswers
from tbft_runtime.softmax import softmax

# The threshold at which every image goes to the end.
NEVER = 1.0
_SUREST = np.nextafter(NEVER, 0.0)
# How many standard errors above what is wanted; see docs/early-exits.md for what was measured.
MARGIN = 1.0
# Of images: what a product of parts and counts may be off by.
_ROUNDING = 1e-6


def confidence(logits: np.ndarray) -> np.ndarray:
    """Largest softmax probability of logits (…, classes) -> (…) float64, below `NEVER` even where it rounds to 1."""
    sure: np.ndarray = np.minimum(softmax(logits).max(axis=-1), _SUREST)
    return sure


def leaving(confidence: np.ndarray, threshold: float) -> np.ndarray:
    """(N,) number of the first exit whose confidence (N, E) is at least `threshold`; the last one always answers."""
    sure = confidence >= threshold
    sure[:, -1] = True
    first: np.ndarray = sure.argmax(axis=1)
    return first


@dataclass(frozen=True)
class Calibrated:
    """A threshold, and whether it is right as often as wanted by `MARGIN` standard errors; if not, it is the best."""

    threshold: float
    has_margin: bool


def calibrated(answers: ExitAnswers, wanted: float | None) -> Calibrated:
    """The lowest threshold at which the policy is right for the part `wanted` (0 to 1) of images like these.

    None: as often as the last exit is. It has to be right by `MARGIN` standard errors more often than that, since the
    lowest of many thresholds that seem right often enough is the one that was lucky with these images. Where none is
    that good, it is the one that is right most often. It lies in the middle between the confidences of two images, so
    that rounding makes none of them leave elsewhere.
    """
    found = _policies(answers)
    if wanted is None:
        goal, error = found.right[0], np.sqrt(found.changed)
    else:
        part = found.right / max(1, answers.images)
        goal, error = wanted * answers.images, np.sqrt(answers.images * part * (1 - part))
    reached = np.flatnonzero(found.right - goal >= MARGIN * error - _ROUNDING)
    best = np.flatnonzero(found.right == found.right.max())
    chosen = (reached if reached.size else best)[-1]
    return Calibrated(float(found.thresholds[chosen]), has_margin=bool(reached.size))


@dataclass(frozen=True)
class _Policies:
    """Thresholds (k,) from `NEVER` down, one for each way in which images can leave.

    `right`: how many answers are; `changed`: how many are right where the last exit is wrong, or the other way round.
    The root of that is the standard error of the difference between the two (McNemar's test).
    """

    thresholds: np.ndarray
    right: np.ndarray
    changed: np.ndarray


def _policies(answers: ExitAnswers) -> _Policies:
    """Going down, the answer to an image changes where the threshold meets the confidence of an exit that is surer
    than all before it: from that of the next such exit (or of the last one) to its own.
    """
    early, right = answers.confidence[:, :-1], answers.right
    surest = np.maximum.accumulate(early, axis=1)
    surer = np.ones_like(early, dtype=bool)
    surer[:, 1:] = early[:, 1:] > surest[:, :-1]
    gained, changed = np.zeros(early.shape), np.zeros(early.shape)
    before, last = right[:, -1], right[:, -1]
    for number in reversed(range(early.shape[1])):
        own = right[:, number]
        gained[:, number] = own.astype(int) - before
        changed[:, number] = (own != last).astype(int) - (before != last)
        before = np.where(surer[:, number], own, before)
    values, places = np.unique(early[surer], return_inverse=True)

    def met(steps: np.ndarray) -> np.ndarray:
        """The sum of the steps of all images that a threshold has met, from `NEVER` down."""
        by_value = np.bincount(places, weights=steps[surer], minlength=len(values))
        return np.append(0.0, np.cumsum(by_value[::-1]))

    reached, below = values[::-1], np.append(values[::-1], 0.0)[1:]
    between = below + (reached - below) / 2
    thresholds = np.where(between > below, between, reached)
    return _Policies(np.append(NEVER, thresholds), last.sum() + met(gained), met(changed))
