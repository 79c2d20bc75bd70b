"""Loss and accuracy over logits, batch by batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tbft_runtime.exits.policy import confidence
from tbft_runtime.run.epoch import Evaluation
from tbft_runtime.run.exit_answers import ExitAnswers
from tbft_runtime.softmax import cross_entropy


@dataclass
class Tally:
    """Sums losses over batches, and counts which class was taken for which.

    Of a network with several exits, the loss is the mean over them, and the answers counted are the last one's.
    What each of them says is kept. With `weights` (classes,) an image's loss counts as much as its class says.
    """

    loss: float = 0.0
    images: int = 0
    weights: np.ndarray | None = None
    _counts: Counter[tuple[int, int]] = field(default_factory=Counter)
    _exits: list[ExitAnswers] = field(default_factory=list)

    def add(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Logits (N, classes), or (N, E, classes) of E exits; labels (N,) within range."""
        if logits.ndim == 3:
            right = logits.argmax(axis=2) == labels[:, np.newaxis]
            self._exits.append(ExitAnswers(confidence(logits), right))
            losses = cross_entropy(logits, labels[:, np.newaxis]).mean(axis=1)
            logits = logits[:, -1]
        else:
            losses = cross_entropy(logits, labels)
        self.loss += float((losses if self.weights is None else losses * self.weights[labels]).sum())
        self.images += len(labels)
        self._counts.update(zip(labels.tolist(), logits.argmax(axis=1).tolist(), strict=True))

    def evaluation(self) -> Evaluation | None:
        """Means over all images that were added; None if there was none."""
        if not self.images:
            return None
        correct = sum(count for (true, predicted), count in self._counts.items() if true == predicted)
        return Evaluation(self.loss / self.images, correct / self.images, self.images)

    def confusion(self) -> np.ndarray:
        """(k, 3) int64 rows true class, predicted class, images, in order; without rows of no image."""
        rows = [(*pair, count) for pair, count in sorted(self._counts.items())]
        return np.array(rows, np.int64).reshape(-1, 3)

    def exit_answers(self) -> ExitAnswers | None:
        """What every exit says, image by image as they were added; None where there is but one exit, or no image."""
        if not self._exits:
            return None
        return ExitAnswers(
            np.concatenate([part.confidence for part in self._exits]),
            np.concatenate([part.right for part in self._exits]),
        )


def per_class(confusion: np.ndarray) -> dict[int, tuple[int, int]]:
    """Class -> (images, right ones) of a confusion (k, 3), for classes that have images."""
    counts: dict[int, tuple[int, int]] = {}
    for true, predicted, images in confusion.tolist():
        all_images, right = counts.get(true, (0, 0))
        counts[true] = all_images + images, right + images * (true == predicted)
    return counts
