"""The paper's splits: what is trained on, what says when to stop, and what is tested once at the end."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError

TEST = VALIDATION = 0.15
SEED = 42
# Shares of all the images that the paper trains on.
TRAIN_SIZES = (0.1, 0.2, 0.3)


@dataclass(frozen=True)
class Split:
    """Indices of three disjoint parts, each (n,). With a larger training size only `train` grows."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_cifar(count: int, train_size: float, seed: int = SEED) -> Split:
    """15 % test, 15 % validation and `train_size` of `count` images, classes not balanced.

    The same images as in the authors' code, which calls scikit-learn's `train_test_split` three times with
    one seed: it shuffles with numpy's legacy generator, whose numbers never change, and takes the test part
    from the front. `train` begins with the images of every smaller size.

    Raises TbftError for a size that is not above 0 and up to 0.7, and where a part would be empty.
    """
    _check_size(train_size)
    held_out, kept = _shuffled(count, math.ceil((TEST + VALIDATION) * count), seed)
    validation, test = _shuffled(len(held_out), math.ceil(VALIDATION / (TEST + VALIDATION) * len(held_out)), seed)
    trained = min(math.floor(train_size / (1 - VALIDATION - TEST) * len(kept)), len(kept))
    # scikit-learn takes from the end: backwards, a larger size only appends.
    _, train = _shuffled(len(kept), len(kept) - trained, seed)
    return _checked(Split(kept[train[::-1]], held_out[validation], held_out[test]), count)


def split_per_class(labels: np.ndarray, train_size: float, seed: int) -> Split:
    """Of every class in labels (N,): 15 % test, 15 % validation, and `train_size` of the class for training.

    The paper's 10, 20 and 30 % of Living17 are read as shares of all images of a class, taken out of the 70 %
    that are left, as they are for CIFAR-10. Each part is sorted; a larger size keeps the images of a smaller one.

    Raises TbftError for a size that is not above 0 and up to 0.7, and where a part would be empty.
    """
    _check_size(train_size)
    rng = np.random.default_rng(seed)
    parts: tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]] = ([], [], [])
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        tested, validated = round(TEST * len(members)), round(VALIDATION * len(members))
        held_out = tested + validated
        parts[0].append(members[held_out : held_out + round(train_size * len(members))])
        parts[1].append(members[tested:held_out])
        parts[2].append(members[:tested])
    return _checked(Split(*(_sorted(part) for part in parts)), len(labels))


def _shuffled(count: int, first: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """0 to `count` − 1 shuffled from `seed` alone: the first `first` of them, and the rest."""
    order = np.random.RandomState(seed).permutation(count)
    return order[:first], order[first:]


def _sorted(parts: list[np.ndarray]) -> np.ndarray:
    return np.sort(np.concatenate(parts)) if parts else np.array([], np.int64)


def _check_size(train_size: float) -> None:
    if not 0 < train_size <= 0.7:
        raise TbftError(f"training size {train_size} is not above 0 and up to 0.7", "0.1, 0.2 or 0.3 in the paper")


def _checked(split: Split, count: int) -> Split:
    if not (len(split.train) and len(split.validation) and len(split.test)):
        raise TbftError(f"{count} images are too few to split into training, validation and test", "give more images")
    return split
