"""Real handwritten digits as small colour images, and the three ways in which they drift.

The 1,797 scans come with scikit-learn, so the demo needs no download. They are cut once, with a
fixed seed, into a source part, which trains the models that the demo ships, and a field part, which
stands for what a device meets later. No image is ever on both sides of a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Indices = NDArray[np.int64]
Drift = Literal["input", "feature", "output"]

SIZE = 32
SCAN_WHITE = 16
SPLIT_SEED = 20240315
SOURCE_FRACTION = 0.5
# What a device can collect by hand in an afternoon; the rest of the field part is only ever tested on.
FIELD_TRAINING_IMAGES = 360

# A digit that the network of five digits never saw, and how many photos of it there are to learn from.
NEW_DIGIT, NEW_PHOTOS = 0, 10

# Standard deviation of the input drift's sensor noise, for pixels in [0, 1].
NOISE = 0.2
# How dark and how flat the drift is that is adapted to without labels.
DIM_BLACK, DIM_CONTRAST = 0.18, 0.4

DIGITS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class Superclass:
    """Two digits under one name: the model was trained on `seen`, the field has only `unseen`."""

    name: str
    seen: int
    unseen: int


# Look-alikes, so that a person sees why they share a name; a model that met one of the two does not.
SUPERCLASSES = (
    Superclass("zero-six", seen=6, unseen=0),
    Superclass("one-seven", seen=7, unseen=1),
    Superclass("four-nine", seen=4, unseen=9),
    Superclass("two-three", seen=3, unseen=2),
    Superclass("five-eight", seen=5, unseen=8),
)


@dataclass(frozen=True)
class Dataset:
    """`images` (N, 32, 32, 3) uint8 RGB, `labels` (N,) int64, and the name of each class."""

    images: Images
    labels: Labels
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Indices) -> Dataset:
        return Dataset(self.images[indices], self.labels[indices], self.classes)


@dataclass(frozen=True)
class Parts:
    """Two halves of a data set that share no image."""

    first: Dataset
    second: Dataset


def all_digits() -> Dataset:
    """Every scan, scaled from 8x8 to 32x32 without steps, white on black."""
    scans = load_digits()
    blend = _bilinear(scans.images.shape[1], SIZE)
    grey = np.round(blend @ scans.images @ blend.T * (255 / SCAN_WHITE)).astype(np.uint8)
    return Dataset(np.repeat(grey[..., None], 3, axis=3), scans.target.astype(np.int64), DIGITS)


def _bilinear(small: int, large: int) -> NDArray[np.float64]:
    """(large, small): how much each old row weighs in each new one, pixel centres aligned."""
    centres = (np.arange(large) + 0.5) * small / large - 0.5
    return np.stack([np.interp(centres, np.arange(small), row) for row in np.eye(small)], axis=1)


def split(data: Dataset, first: int, seed: int) -> Parts:
    """Shuffle and cut so that `first` images come first and every class is shared out in proportion.

    Sorting by the rank inside the class, relative to the class's size, makes every prefix balanced.
    """
    order = np.random.default_rng(seed).permutation(len(data))
    labels = data.labels[order]
    rank = np.empty(len(data))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = (np.arange(len(members)) + 0.5) / len(members)
    balanced = order[np.argsort(rank, kind="stable")]
    return Parts(data.take(balanced[:first]), data.take(balanced[first:]))


def source_and_field() -> Parts:
    """The source part (first) and the field part (second) of the ten digits."""
    data = all_digits()
    return split(data, round(SOURCE_FRACTION * len(data)), SPLIT_SEED)


def as_superclasses(data: Dataset, digits: Sequence[int]) -> Dataset:
    """Only the images of `digits`, one digit for each of SUPERCLASSES, labelled with its superclass."""
    return _numbered(data, digits, tuple(group.name for group in SUPERCLASSES))


def source_superclasses() -> Parts:
    """The seen digit of every superclass: to train on (first) and to test on (second)."""
    parts = source_and_field()
    seen = [group.seen for group in SUPERCLASSES]
    return Parts(as_superclasses(parts.first, seen), as_superclasses(parts.second, seen))


def field_data(drift: Drift) -> Parts:
    """What the device meets under `drift`: to fine-tune on (first), held out for the result (second)."""
    match drift:
        case "input":
            data = corrupt(source_and_field().second)
        case "feature":
            data = as_superclasses(all_digits(), [group.unseen for group in SUPERCLASSES])
        case "output":
            data = permute_labels(source_and_field().second)
    return split(data, FIELD_TRAINING_IMAGES, SPLIT_SEED + 1)


def new_class_data() -> tuple[Dataset, Parts]:
    """Of a network that tells five digits apart: images of its training, and what the field has of a sixth one.

    Ten photos of the new digit to learn from (first), and images of all six that nobody learned from (second).
    """
    known = [group.seen for group in SUPERCLASSES]
    names = tuple(DIGITS[digit] for digit in (*known, NEW_DIGIT))
    parts = source_and_field()
    six = _numbered(parts.second, (*known, NEW_DIGIT), names)
    new = np.flatnonzero(six.labels == len(known))
    photos, others = new[:NEW_PHOTOS], np.setdiff1d(np.arange(len(six)), new[:NEW_PHOTOS])
    return _numbered(parts.first, known, names[:-1]), Parts(six.take(photos), six.take(others))


def unlabelled_data() -> Parts:
    """Dim light, seen by a noisy camera: to adapt to, with no label (first), and held out for the result (second).

    A pixel p becomes 0.18 + 0.4 p + N(0, NOISE), clipped.
    """
    field = source_and_field().second
    pixels = field.images.astype(np.float64) / 255
    noise = np.random.default_rng(SPLIT_SEED + 3).normal(0, NOISE, pixels.shape)
    dim = np.round(np.clip(DIM_BLACK + DIM_CONTRAST * pixels + noise, 0, 1) * 255).astype(np.uint8)
    parts = split(Dataset(dim, field.labels, field.classes), FIELD_TRAINING_IMAGES, SPLIT_SEED + 1)
    hidden = np.full(len(parts.first), -1, np.int64)
    return Parts(Dataset(parts.first.images, hidden, field.classes), parts.second)


def _numbered(data: Dataset, digits: Sequence[int], names: tuple[str, ...]) -> Dataset:
    """Only the images of `digits`, in the order of which they are numbered."""
    kept = data.take(np.flatnonzero(np.isin(data.labels, digits)))
    label_of = np.full(len(DIGITS), -1, np.int64)
    label_of[list(digits)] = np.arange(len(digits))
    return Dataset(kept.images, label_of[kept.labels], names)


def corrupt(data: Dataset) -> Dataset:
    """Dark ink on bright paper, seen by a noisy camera: each pixel p becomes 1 - p + N(0, NOISE), clipped.

    Turned brightness is a drift that new batch statistics alone do not undo, so the block has to learn.
    """
    pixels = data.images.astype(np.float64) / 255
    noise = np.random.default_rng(SPLIT_SEED + 2).normal(0, NOISE, pixels.shape)
    corrupted = np.clip(1 - pixels + noise, 0, 1)
    return Dataset(np.round(corrupted * 255).astype(np.uint8), data.labels, data.classes)


def permute_labels(data: Dataset) -> Dataset:
    """Label y becomes 9 - y: the images are as ever, but their meaning has changed."""
    return Dataset(data.images, len(data.classes) - 1 - data.labels, data.classes)
