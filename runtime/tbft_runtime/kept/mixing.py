"""Batches of which some images are remembered: latent replay.

Pellegrini, Graffieti, Lomonaco, Maltoni, "Latent Replay for Real-Time Continual Learning", IROS 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import default_rng

from tbft_runtime.data.dataset import Part
from tbft_runtime.run.settings import Settings

# Tells these numbers from those that order an epoch's own images.
_REMEMBERED = 1


@dataclass(frozen=True)
class MixedBatch:
    """`own` are store indices of training images (n,), `old` indices of kept ones (m,), `order` theirs (n + m,)."""

    own: np.ndarray
    old: np.ndarray
    order: np.ndarray

    @classmethod
    def alone(cls, indices: np.ndarray) -> MixedBatch:
        """Training images at store indices (n,), and no others."""
        return cls(indices, indices[:0], np.arange(len(indices)))

    def joined(self, own: np.ndarray, read_old: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Values (n, …) of the own images and those that `read_old` gives (m, …), as one batch in its order."""
        return np.concatenate([own, read_old(self.old)])[self.order] if len(self.old) else own


def own_images(settings: Settings) -> int:
    """How many images of a batch are the run's own; where some are remembered, there is room for one of each."""
    if not settings.remember:
        return settings.batch_size
    return settings.batch_size - min(max(1, round(settings.remember * settings.batch_size)), settings.batch_size - 1)


def mixed_batches(train: Part, settings: Settings, remembered: np.ndarray, epoch: int) -> list[MixedBatch]:
    """The batches of an epoch: every training image once, and among them kept ones, indices `remembered` (k,).

    Own and remembered images lie in random order, so that parts of a batch with statistics of their own have both.
    Kept ones come in turns, each once before one comes again. The seed and the number of the epoch decide everything.
    """
    own = own_images(settings)
    batches = train.shuffled(own, (settings.seed, epoch))
    rng = default_rng((settings.seed, epoch, _REMEMBERED))
    counts = [_remembered_beside(len(indices), own, settings.batch_size) for indices in batches]
    total = sum(counts)
    turns = -(-total // len(remembered)) if total else 0
    drawn = np.concatenate([remembered[:0], *(rng.permutation(remembered) for _ in range(turns))])[:total]
    ends = np.cumsum(counts)
    return [
        MixedBatch(indices, drawn[end - count : end], rng.permutation(len(indices) + count))
        for indices, count, end in zip(batches, counts, ends, strict=True)
    ]


def _remembered_beside(images: int, own: int, batch_size: int) -> int:
    """How many kept images go with `images` of a run's own, of which a whole batch has `own`."""
    others = batch_size - own
    return max(1, round(images * others / own)) if others else 0
