"""The splits are the paper's: nothing is tested that was trained on, and smaller training sets lie in larger ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.splits import TRAIN_SIZES, Split, split_cifar, split_per_class

COUNT = st.integers(20, 400)
SIZE = st.sampled_from(TRAIN_SIZES)
SEED = st.integers(0, 2**32 - 1)
# Ten images of a class or more, so that no part of it is empty.
CLASS_SIZES = st.lists(st.integers(10, 40), min_size=1, max_size=6)


def parts(split: Split) -> list[np.ndarray]:
    return [split.train, split.validation, split.test]


@given(COUNT, SIZE, SEED)
def test_cifar_parts_are_disjoint(count: int, size: float, seed: int) -> None:
    """No image is in two parts, and every index exists."""
    every = np.concatenate(parts(split_cifar(count, size, seed)))
    assert len(set(every.tolist())) == len(every)
    assert every.min() >= 0
    assert every.max() < count


@given(COUNT, SEED)
def test_cifar_sizes_are_nested(count: int, seed: int) -> None:
    """10 % are the first of the 20 %, those of the 30 %; validation and test do not change."""
    small, medium, large = (split_cifar(count, size, seed) for size in TRAIN_SIZES)
    np.testing.assert_array_equal(medium.train[: len(small.train)], small.train)
    np.testing.assert_array_equal(large.train[: len(medium.train)], medium.train)
    np.testing.assert_array_equal(small.test, large.test)
    np.testing.assert_array_equal(small.validation, large.validation)


@given(COUNT, SIZE, SEED)
def test_cifar_splits_are_the_authors(count: int, size: float, seed: int) -> None:
    """Their code calls scikit-learn three times; the same images come out, in the same parts."""
    kept, held_out = train_test_split(np.arange(count), test_size=0.15 + 0.15, random_state=seed)
    test, validation = train_test_split(held_out, test_size=0.15 / (0.15 + 0.15), random_state=seed)
    train, _ = train_test_split(kept, train_size=size / (1 - 0.15 - 0.15), random_state=seed)
    split = split_cifar(count, size, seed)
    np.testing.assert_array_equal(split.test, test)
    np.testing.assert_array_equal(split.validation, validation)
    assert sorted(split.train) == sorted(train)


def test_cifar_has_the_papers_numbers() -> None:
    """Of 10,000: 1,500 for test and validation, 1,000, 2,000 or 3,000 to train."""
    for size, expected in zip(TRAIN_SIZES, (1000, 2000, 3000), strict=True):
        assert [len(part) for part in parts(split_cifar(10_000, size))] == [expected, 1500, 1500]


def labels_of(sizes: list[int], seed: int) -> np.ndarray:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(seed).permutation(labels)


@given(CLASS_SIZES, SIZE, SEED)
def test_every_class_is_split_alike(sizes: list[int], size: float, seed: int) -> None:
    """Shares hold in each class to half an image; the parts are disjoint and sorted."""
    labels = labels_of(sizes, seed)
    split = split_per_class(labels, size, seed)
    every = np.concatenate(parts(split))
    assert len(set(every.tolist())) == len(every)
    assert all((np.diff(part) > 0).all() for part in parts(split))
    for label, count in enumerate(sizes):
        for part, share in zip(parts(split), (size, 0.15, 0.15), strict=True):
            assert abs((labels[part] == label).sum() - share * count) <= 0.5


@given(CLASS_SIZES, SEED)
def test_class_splits_are_nested(sizes: list[int], seed: int) -> None:
    """A larger training set keeps the smaller one; validation and test do not change."""
    small, medium, large = (split_per_class(labels_of(sizes, seed), size, seed) for size in TRAIN_SIZES)
    assert set(small.train) <= set(medium.train) <= set(large.train)
    np.testing.assert_array_equal(small.test, large.test)
    np.testing.assert_array_equal(small.validation, large.validation)


@given(CLASS_SIZES, SIZE, SEED)
def test_the_seed_decides_alone(sizes: list[int], size: float, seed: int) -> None:
    """The same call gives the same split, in every process."""
    labels = labels_of(sizes, seed)
    for split in (lambda: split_per_class(labels, size, seed), lambda: split_cifar(len(labels) + 20, size, seed)):
        first, second = parts(split()), parts(split())
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one, other)


def test_another_seed_is_another_split() -> None:
    """Repeats of an experiment see different images."""
    assert len({tuple(split_cifar(100, 0.1, seed).train) for seed in range(5)}) == 5
    labels = np.zeros(100, np.int64)
    assert len({tuple(split_per_class(labels, 0.1, seed).train) for seed in range(5)}) == 5


@pytest.mark.parametrize("size", [0, -0.1, 0.71, 1, float("nan")])
def test_sizes_that_do_not_fit(size: float) -> None:
    """70 % are left beside validation and test; more would be images of those."""
    with pytest.raises(TbftError, match="training size"):
        split_cifar(100, size)
    with pytest.raises(TbftError, match="training size"):
        split_per_class(np.zeros(100, np.int64), size, 0)


def test_all_that_is_left_may_be_trained_on() -> None:
    """0.7 is everything beside validation and test, no image lost to rounding."""
    for split in (split_cifar(100, 0.7), split_per_class(np.zeros(100, np.int64), 0.7, 0)):
        assert sorted(np.concatenate(parts(split))) == list(range(100))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_images(count: int) -> None:
    """An empty part is an error here, not a division by zero later."""
    with pytest.raises(TbftError, match=f"{count} images are too few"):
        split_cifar(count, 0.1)
    with pytest.raises(TbftError, match=f"{count} images are too few"):
        split_per_class(np.zeros(count, np.int64), 0.1, 0)
