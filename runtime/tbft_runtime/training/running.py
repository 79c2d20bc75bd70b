"""Loss and right answers of an epoch, along the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_artifacts.names import NO_LABEL


@dataclass
class RunningTotals:
    """Sums over the images of the batches so far, those without a label and those that are remembered included."""

    seen: int = 0
    _loss: float = 0.0
    _correct: int = 0
    _labelled: int = 0

    def add(self, loss: float, correct: int, labels: np.ndarray) -> None:
        """A batch of these labels (N,): its mean loss, and how many answers were right."""
        self._loss += loss * len(labels)
        self._correct += correct
        self._labelled += int(np.count_nonzero(labels != NO_LABEL))
        self.seen += len(labels)

    @property
    def loss(self) -> float:
        """Mean over all images."""
        return self._loss / self.seen

    @property
    def accuracy(self) -> float | None:
        """The part of the images with a label that was answered rightly, if there are any."""
        return self._correct / self._labelled if self._labelled else None
