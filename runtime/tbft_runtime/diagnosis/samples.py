"""The few images that a diagnosis looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_runtime.data.dataset import Part
from tbft_runtime.data.draw import drawn

# Fewer say nothing: one image more or less is five points of accuracy.
FEWEST = 20
_AT_ONCE = 16


@dataclass(frozen=True)
class Samples:
    """`images` (n, C, H, W) float32, the model's input, in random order; `labels` (n,) int64, or none of any."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def parts(self, count: int) -> list[np.ndarray]:
        """The images in so many parts of nearly equal size."""
        return [np.ascontiguousarray(part) for part in np.array_split(self.images, count)]

    def parts_of(self, most: int) -> list[np.ndarray]:
        """The images in parts of nearly equal size, of at most so many."""
        return self.parts(max(1, -(-len(self) // most)))


def draw_samples(part: Part, count: int, seed: int) -> Samples:
    """At most `count` images of a part, from every class as many as it is large; `seed` decides which.

    Raises TbftError if there are fewer than `FEWEST`, or they are all of one class.
    """
    labels = part.labels(part.indices)
    chosen = drawn(labels, count, seed)
    classes = len(np.unique(labels[chosen]))
    if len(chosen) < FEWEST or classes < 2:
        raise TbftError(
            f"{len(chosen)} labelled {part.preprocessing.noun}s of {classes} classes are too few to tell what drifted",
            f"give at least {FEWEST} of two or more classes, or name the drift: `drift` input, feature or output",
        )
    return _read(part, part.indices[chosen], part.labels(part.indices[chosen]))


def draw_unlabelled(part: Part, count: int, seed: int) -> Samples:
    """At most `count` images of a part, whatever they are, without their labels; `seed` decides which.

    Raises TbftError if there are fewer than `FEWEST`.
    """
    chosen = drawn(np.full(len(part), NO_LABEL), count, seed)
    if len(chosen) < FEWEST:
        raise TbftError(
            f"{len(chosen)} {part.preprocessing.noun}s are too few to tell what drifted", f"give at least {FEWEST}"
        )
    return _read(part, part.indices[chosen], np.full(len(chosen), NO_LABEL))


def _read(part: Part, indices: np.ndarray, labels: np.ndarray) -> Samples:
    """Images at store indices (n,), with labels (n,)."""
    first = part.images(indices[:1])
    images = np.empty((len(indices), *first.shape[1:]), first.dtype)
    # Pixels become numbers by several steps, of which each makes a copy.
    for start in range(0, len(indices), _AT_ONCE):
        images[start : start + _AT_ONCE] = part.images(indices[start : start + _AT_ONCE])
    return Samples(images, labels)
