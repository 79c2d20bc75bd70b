"""Loss and accuracy over logits, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_runtime.training.state import Evaluation


@dataclass
class Tally:
    """Sums loss and right answers over batches."""

    loss: float = 0.0
    correct: int = 0
    images: int = 0

    def add(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Logits (N, classes), labels (N,) within range."""
        self.loss += float(cross_entropy(logits, labels).sum())
        self.correct += int((logits.argmax(axis=1) == labels).sum())
        self.images += len(labels)

    def evaluation(self) -> Evaluation:
        """Means over all images that were added; at least one."""
        return Evaluation(self.loss / self.images, self.correct / self.images, self.images)


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
