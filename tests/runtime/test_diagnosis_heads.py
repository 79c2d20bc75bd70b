"""What a new head could make of features, by leaving each image out once: closed forms against doing it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_runtime.diagnosis.heads import (
    RIDGE,
    learned_by_class_means,
    right_by_class_means,
    right_by_fitted_head,
    standard_errors,
)

CLASSES = 3


def clouds(seed: int, count: int, spread: float, size: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Features (count, size) around one direction for each class, and labels."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(0, 1, (CLASSES, size))
    labels = rng.integers(0, CLASSES, count)
    return (centers[labels] + rng.normal(0, spread, (count, size))).astype(np.float32), labels


@given(st.integers(0, 10**6), st.integers(4, 30), st.floats(0.1, 3))
def test_class_means_leave_the_image_out(seed: int, count: int, spread: float) -> None:
    """As if means were taken again for every image; one that is alone in its class cannot be right."""
    features, labels = clouds(seed, count, spread)
    expected = []
    for index in range(count):
        rest = np.delete(np.arange(count), index)
        one = learned_by_class_means(features[rest], labels[rest], features[[index]], labels[[index]], CLASSES)
        expected.append(bool(one[0]))
    assert right_by_class_means(features, labels, CLASSES).tolist() == expected


@given(st.integers(0, 10**6), st.integers(6, 30))
def test_a_fitted_head_leaves_the_image_out(seed: int, count: int) -> None:
    """The closed form agrees with fitting ridge regression to all others."""
    features, labels = clouds(seed, count, 1.0)
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6) / np.sqrt(features.shape[1])
    inputs = np.c_[scaled, np.ones(count)]
    wanted = np.eye(CLASSES)[labels]
    agreed = 0
    for index, right in enumerate(right_by_fitted_head(features, labels, CLASSES)):
        rest = np.delete(np.arange(count), index)
        gram = inputs[rest].T @ inputs[rest] + RIDGE * np.eye(inputs.shape[1])
        answer = inputs[index] @ np.linalg.solve(gram, inputs[rest].T @ wanted[rest])
        close = np.sort(answer)[-1] - np.sort(answer)[-2] < 1e-5
        agreed += close or bool(answer.argmax() == labels[index]) == bool(right)
    assert agreed == count


@given(st.integers(0, 10**6), st.permutations(range(CLASSES)))
def test_names_of_classes_do_not_matter(seed: int, names: list[int]) -> None:
    """Renamed labels are found as well as the old ones: that is how renaming is told from other drifts."""
    features, labels = clouds(seed, 40, 0.5)
    renamed = np.array(names)[labels]
    for right in (right_by_class_means, right_by_fitted_head):
        assert right(features, labels, CLASSES).mean() == pytest.approx(right(features, renamed, CLASSES).mean())


def test_classes_that_spread_need_a_fitted_head() -> None:
    """Where features vary more within a class than between them, a fitted head still finds what tells them apart."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    features = rng.normal(0, 5, (200, 4))
    features[:, 0] = labels + rng.normal(0, 0.2, 200)
    means, fitted = (right(features, labels, 2) for right in (right_by_class_means, right_by_fitted_head))
    assert standard_errors(fitted, means) > 3


def test_standard_errors_count_what_differs() -> None:
    """McNemar: images on which both are right, or both wrong, say nothing."""
    right = np.array([True] * 9 + [False] * 91)
    assert standard_errors(right, np.zeros(100, bool)) == 3.0
    assert standard_errors(np.zeros(100, bool), right) == -3.0
    assert standard_errors(right, right) == 0.0
