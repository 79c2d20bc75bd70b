"""How good heads are on images that they were made without, and which of them to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

HeadKind = Literal["old", "renamed", "lda", "class means", "ridge"]

# Where only images tell what a class is, an only image of its class cannot be left out.
NEED_ANOTHER: tuple[HeadKind, ...] = ("class means", "ridge")
# A head has to beat guessing by so many standard errors, where it cannot be compared with class means.
SURE = 2.5


@dataclass(frozen=True, eq=False)
class Judged:
    """What one kind of head got right of `images` that it was made without, 0 to 1.

    `recalls` (K,) of each class, NaN where nothing tells; `accuracy` is their mean, every class alike, and
    `standard_error` that of this mean; NaN where nothing tells at all.
    """

    kind: HeadKind
    recalls: np.ndarray
    accuracy: float
    standard_error: float
    images: int

    @property
    def beats_guessing(self) -> bool:
        chance = 1 / len(self.recalls)
        error = math.sqrt(chance * (1 - chance) / max(1, self.images))
        return self.accuracy - chance > SURE * error


def told(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) bool: which of the left-out images say how good a head is: whose own class is not -inf in logits (n, K)."""
    finite: np.ndarray = np.isfinite(logits[np.arange(len(labels)), labels])
    return finite


def judged(kind: HeadKind, logits: np.ndarray, labels: np.ndarray) -> Judged:
    """By logits (n, K) of left-out images with labels (n,), as far as they tell."""
    some = told(logits, labels)
    right, own = logits[some].argmax(axis=1) == labels[some], labels[some]
    classes = logits.shape[1]
    counts, hits = (np.bincount(which, minlength=classes) for which in (own, own[right]))
    recalls = np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)
    seen = counts > 0
    if not seen.any():
        return Judged(kind, recalls, np.nan, np.nan, 0)
    # One image more right and one more wrong: a few that are all right are no proof.
    likely = (hits[seen] + 1) / (counts[seen] + 2)
    error = np.sqrt((likely * (1 - likely) / counts[seen]).sum()) / seen.sum()
    return Judged(kind, recalls, float(recalls[seen].mean()), float(error), len(own))


def best(candidates: Sequence[Judged]) -> Judged:
    """The most accurate; of equal ones the first."""
    return max(candidates, key=lambda each: -1.0 if np.isnan(each.accuracy) else each.accuracy)


def best_for_single_images(candidates: Sequence[Judged]) -> Judged:
    """The one to take where most images are the only ones of their class, so that some kinds cannot be judged.

    The best that can be, if it beats guessing, and else class means: rows of the old head vary less than means of one
    image, if they fit at all. From one photo of each of ten classes under other labels they had nine points more.
    """
    known = [each for each in candidates if each.kind not in NEED_ANOTHER]
    means = next((each for each in candidates if each.kind == "class means"), None)
    if means is None or (known and best(known).beats_guessing):
        return best(known)
    return means
