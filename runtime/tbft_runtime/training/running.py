"""Loss and right answers of an epoch, along the way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class RunningTotals:
    """Sums over the images of the batches so far, those without a label and those that are remembered included."""

    seen: int = 0
    _loss: float = 0.0
    _correct: int = 0
    _labelled: int = 0

    def add(self, loss: float, correct: int, labelled: int, images: int) -> None:
        """A batch of so many images: its mean loss, how many have a label, and how many answers were right."""
        self._loss += loss * images
        self._correct += correct
        self._labelled += labelled
        self.seen += images

    @property
    def loss(self) -> float:
        """Mean over all images."""
        return self._loss / self.seen

    @property
    def accuracy(self) -> float | None:
        """The part of the images with a label that was answered rightly, if there are any."""
        return self._correct / self._labelled if self._labelled else None
