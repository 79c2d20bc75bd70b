"""Drifts of the output rename classes: each is a permutation, and the paper's is y -> 9 − y."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tbft_edge.reproduce.datasets.relabel import cyclic, flip, permutation, swap_pairs

CLASSES = st.integers(1, 20)
SEED = st.integers(0, 2**32 - 1)


@given(CLASSES, SEED)
def test_each_is_a_permutation(classes: int, seed: int) -> None:
    """No class is lost or merged, so a perfect model can be perfect again; the given labels stay as they were."""
    labels = np.arange(classes)
    for changed in (flip(labels, classes), cyclic(labels, classes), swap_pairs(labels, classes)):
        assert sorted(changed) == list(range(classes))
        assert changed.dtype == labels.dtype
    assert sorted(permutation(labels, classes, seed)) == list(range(classes))
    assert labels.tolist() == list(range(classes))


@given(CLASSES)
def test_undone(classes: int) -> None:
    """Flipping or swapping twice changes nothing, nor does going round once."""
    labels = np.arange(classes)
    np.testing.assert_array_equal(flip(flip(labels, classes), classes), labels)
    np.testing.assert_array_equal(swap_pairs(swap_pairs(labels, classes), classes), labels)
    for _ in range(classes):
        labels = cyclic(labels, classes)
    np.testing.assert_array_equal(labels, np.arange(classes))


def test_what_becomes_what() -> None:
    """The paper's flip of ten classes, and the others by example."""
    assert flip(np.arange(10), 10).tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert cyclic(np.array([0, 1, 4]), 5).tolist() == [1, 2, 0]
    assert swap_pairs(np.arange(5), 5).tolist() == [1, 0, 3, 2, 4]


@given(st.lists(st.integers(0, 9), max_size=50), SEED)
def test_the_permutation_is_of_classes(labels: list[int], seed: int) -> None:
    """Images of one class stay together, and the seed decides alone."""
    given_labels = np.array(labels, np.int64)
    changed = permutation(given_labels, 10, seed)
    assert len(set(zip(labels, changed.tolist(), strict=True))) == len(set(labels))
    np.testing.assert_array_equal(changed, permutation(given_labels, 10, seed))
