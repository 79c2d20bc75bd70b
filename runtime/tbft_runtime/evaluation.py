"""Loss and accuracy over logits, batch by batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from tbft_runtime.training.state import Evaluation


@dataclass
class Tally:
    """Sums losses over batches, and counts which class was taken for which."""

    loss: float = 0.0
    images: int = 0
    _counts: Counter[tuple[int, int]] = field(default_factory=Counter)

    def add(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Logits (N, classes), labels (N,) within range."""
        self.loss += float(cross_entropy(logits, labels).sum())
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


def per_class(confusion: np.ndarray) -> dict[int, tuple[int, int]]:
    """Class -> (images, right ones) of a confusion (k, 3), for classes that have images."""
    counts: dict[int, tuple[int, int]] = {}
    for true, predicted, images in confusion.tolist():
        all_images, right = counts.get(true, (0, 0))
        counts[true] = all_images + images, right + images * (true == predicted)
    return counts


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """-log softmax(logits)[n, labels[n]] per image, in double: logits (N, classes) -> (N,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    losses: np.ndarray = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return losses


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, classes) of logits (N, classes)."""
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = exponents / exponents.sum(axis=1, keepdims=True)
    return probabilities
