"""What a new head could make of features, by leaving each image out once: closed forms against doing it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.feature_clouds import around, centers, head_of
from tbft_runtime.heads.class_means import class_means, learned_by_class_means, right_by_class_means
from tbft_runtime.heads.compare import standard_errors
from tbft_runtime.heads.head import Head
from tbft_runtime.heads.lda import Metric, lda
from tbft_runtime.heads.moments import SourceMoments
from tbft_runtime.heads.renamed import renamed
from tbft_runtime.heads.ridge import DIAGNOSED, STRENGTHS, ridge, right_by_fitted_head

CLASSES = 3


def clouds(seed: int, count: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Features (count, F) around one direction for each class, and labels."""
    labels = np.random.default_rng(seed).integers(0, CLASSES, count)
    return around(centers(seed, CLASSES), labels, seed, spread), labels


def all_classes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The same with at least one image of each class."""
    labels = np.r_[np.arange(CLASSES), np.random.default_rng(seed).integers(0, CLASSES, count)]
    return around(centers(seed, CLASSES), labels, seed, 1.0), labels


def without(index: int, count: int) -> np.ndarray:
    return np.delete(np.arange(count), index)


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
        gram = inputs[rest].T @ inputs[rest] + DIAGNOSED * np.eye(inputs.shape[1])
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


@given(st.integers(0, 10**6), st.integers(0, 12))
def test_class_means_answer_as_those_of_the_others(seed: int, count: int) -> None:
    """The same logits as a head that is made again; none for the own class where there is no other image of it."""
    features, labels = all_classes(seed, count)
    fit = class_means(features, labels, CLASSES)
    for index, answer in enumerate(fit.left_out):
        rest = without(index, len(labels))
        alone = labels[index] not in labels[rest]
        expected = class_means(features[rest], labels[rest], CLASSES).head.logits(features[[index]])[0]
        if alone:
            assert answer[labels[index]] == -np.inf
            expected[labels[index]] = -np.inf
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


@given(st.integers(0, 10**6), st.integers(0, 30))
def test_ridge_answers_as_that_of_the_others(seed: int, count: int) -> None:
    """Every class counts alike, whether images or features are more; of several strengths one is kept for all."""
    features, labels = all_classes(seed, count)
    total = len(labels)
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6) / np.sqrt(features.shape[1])
    inputs, wanted = np.c_[scaled, np.ones(total)], np.eye(CLASSES)[labels]
    weights = np.sqrt(total / CLASSES / np.bincount(labels)[labels])[:, None]
    errors = []
    for strength in STRENGTHS:
        fit = ridge(features, labels, CLASSES, [strength])
        expected = []
        for index in range(total):
            rest = without(index, total)
            rows = inputs[rest] * weights[rest]
            gram = rows.T @ rows + strength * np.eye(inputs.shape[1])
            expected.append(inputs[index] @ np.linalg.solve(gram, rows.T @ (wanted * weights)[rest]))
        told = np.isfinite(fit.left_out)
        np.testing.assert_allclose(fit.left_out[told], np.array(expected)[told], rtol=1e-3, atol=1e-6)
        errors.append(float((weights**2 * (np.array(expected) - wanted) ** 2).sum()))
    best = ridge(features, labels, CLASSES, [STRENGTHS[int(np.argmin(errors))]])
    np.testing.assert_allclose(ridge(features, labels, CLASSES).head.weight, best.head.weight, rtol=1e-4, atol=1e-5)


@given(st.integers(0, 10**6), st.integers(0, 12))
def test_renaming_answers_as_that_of_the_others(seed: int, count: int) -> None:
    """Also of an only image, for which the others leave a row."""
    features, labels = all_classes(seed, count)
    old = head_of(centers(seed, CLASSES))
    for index, answer in enumerate(renamed(old, features, labels).left_out):
        rest = without(index, len(labels))
        expected = renamed(old, features[rest], labels[rest]).head.logits(features[[index]])[0]
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)


@given(st.integers(0, 10**6), st.integers(0, 12), st.booleans())
def test_lda_leaves_an_image_out_of_its_mean(seed: int, count: int, diagonal: bool) -> None:
    """Its own class answers by the mean of the others under the same covariance; a new class's only image by none."""
    features, labels = all_classes(seed, count)
    theirs = np.arange(40) % (CLASSES - 1)
    source = SourceMoments.of(around(centers(seed, CLASSES), theirs, seed + 1), theirs, CLASSES - 1, diagonal)
    joined, fit = source.joined(features, labels, CLASSES), lda(source, features, labels, CLASSES)
    metric = Metric.of(joined)
    for index, (answer, label) in enumerate(zip(fit.left_out, labels, strict=True)):
        expected = fit.head.logits(features[[index]])[0]
        counts = joined.counts - np.eye(CLASSES)[label]
        if counts[label] == 0:
            expected[label] = -np.inf
        else:
            means = joined.means.copy()
            means[label] = (means[label] * joined.counts[label] - features[index]) / counts[label]
            weight, bias = metric.rows(means, counts)
            expected[label] = weight[label] @ features[index] + bias[label]
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)


def test_a_head_says_what_its_layer_would() -> None:
    """Weight and bias as a last layer has them."""
    head = Head.of(np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([0.5, -1.0]))
    assert head.logits(np.array([[1.0, 3.0]], np.float32)).tolist() == [[7.5, 2.0]]
    assert head.scaled(2).logits(np.array([[1.0, 3.0]], np.float32)).tolist() == [[15.0, 4.0]]
