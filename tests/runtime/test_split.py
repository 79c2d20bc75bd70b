"""The validation part is fair: every class in both parts, no image in both, the same for the same seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tbft_runtime.data.draw import stratified_split

LABELS = st.lists(st.integers(0, 5), max_size=80).map(lambda values: np.array(values, np.int64))
FRACTION = st.floats(0.01, 0.99)
SEED = st.integers(0, 2**63 - 1)


@given(LABELS, FRACTION, SEED)
def test_every_image_is_in_exactly_one_part(labels: np.ndarray, fraction: float, seed: int) -> None:
    """Nothing is lost, nothing is validated on that was trained on."""
    train, validation = stratified_split(labels, fraction, seed)
    assert sorted([*train, *validation]) == list(range(len(labels)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()


@given(LABELS, FRACTION, SEED)
def test_every_class_is_split_alike(labels: np.ndarray, fraction: float, seed: int) -> None:
    """The share of each class is right to half an image, and a class of two or more is in both parts."""
    _, validation = stratified_split(labels, fraction, seed)
    for label in np.unique(labels):
        count = int((labels == label).sum())
        held_out = int((labels[validation] == label).sum())
        if count == 1:
            assert held_out == round(fraction)
        else:
            assert 1 <= held_out <= count - 1
            assert abs(held_out - np.clip(fraction * count, 1, count - 1)) <= 0.5


@given(LABELS, FRACTION, SEED)
def test_the_seed_decides_alone(labels: np.ndarray, fraction: float, seed: int) -> None:
    """A resumed run validates on the same images."""
    first, second = (stratified_split(labels, fraction, seed) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_another_seed_is_another_split() -> None:
    """Which images validate is chance, not their order."""
    labels = np.zeros(100, np.int64)
    splits = {tuple(stratified_split(labels, 0.15, seed)[1]) for seed in range(5)}
    assert len(splits) == 5
