"""What the exits of a network say of images whose labels are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ExitAnswers:
    """What every exit says of labelled images: how sure it is (N, E) float64, and whether it is right (N, E) bool."""

    confidence: np.ndarray
    right: np.ndarray

    @property
    def images(self) -> int:
        return len(self.right)
