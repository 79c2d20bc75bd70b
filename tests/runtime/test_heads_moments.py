"""Moments of images that are not there, and the heads that need no more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.feature_clouds import around, centers
from tbft_runtime.heads.lda import GIVEN_BACK, lda
from tbft_runtime.heads.moments import SourceMoments

CLASSES = 4
SIZE = 6


def images(seed: int, count: int, classes: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """At least two of each class."""
    labels = np.r_[np.arange(2 * classes) % classes, np.random.default_rng(seed).integers(0, classes, count)]
    return around(centers(seed, classes), labels, seed), labels


@given(st.integers(0, 10**6), st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_moments_of_more_images_are_moments_of_all(seed: int, count: int, more: int, diagonal: bool) -> None:
    """Also with a class that the first did not have, and of the diagonal alone."""
    features, labels = images(seed, count, CLASSES - 1)
    others, their_labels = images(seed + 1, more)
    apart = SourceMoments.of(features, labels, CLASSES - 1, diagonal).joined(others, their_labels, CLASSES)
    together = SourceMoments.of(np.r_[features, others], np.r_[labels, their_labels], CLASSES, diagonal)
    for field in ("counts", "means", "second"):
        np.testing.assert_allclose(getattr(apart, field), getattr(together, field), rtol=1e-9, atol=1e-12)
    assert apart.images == len(labels) + len(their_labels)


@given(st.integers(0, 10**6), st.integers(0, 40))
def test_covariance_within_a_class(seed: int, count: int) -> None:
    """From two moments the same as from every image's way to its class's mean."""
    features, labels = images(seed, count)
    moments = SourceMoments.of(features, labels, CLASSES)
    away = features - moments.means[labels]
    expected = away.T @ away / (len(labels) - CLASSES)
    np.testing.assert_allclose(moments.within(), expected, rtol=1e-6, atol=1e-9)
    diagonal = SourceMoments.of(features, labels, CLASSES, diagonal=True)
    np.testing.assert_allclose(diagonal.within(), np.diag(expected), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("diagonal", [False, True])
def test_lda_is_a_ratio_of_likelihoods(diagonal: bool) -> None:
    """Of a Gaussian cloud around each class's mean to one around the centre; with many images nothing is given back."""
    features, labels = images(0, 20_000)
    none = np.zeros((0, SIZE)), np.zeros(0, int)
    moments = SourceMoments.of(features, labels, CLASSES, diagonal)
    within = np.diag(moments.within()) if diagonal else moments.within()
    precision = np.linalg.inv(within)

    def likelihood(mean: np.ndarray) -> np.ndarray:
        away = features[:50] - mean
        return -((away @ precision) * away).sum(axis=1) / 2

    expected = np.stack([likelihood(mean) for mean in moments.means], axis=1) - likelihood(moments.center)[:, None]
    head = lda(moments, *none, CLASSES).head
    np.testing.assert_allclose(head.logits(features[:50]), expected, rtol=0.01, atol=0.05)


def test_a_mean_of_few_images_gets_something_back() -> None:
    """By the stated share of half of F / n, on the logits of its class."""
    features, labels = images(0, 4000)
    moments = SourceMoments.of(features, labels, CLASSES)
    new = around(centers(9, 1), np.zeros(2, int), 9)
    head = lda(moments, new, np.full(2, CLASSES), CLASSES + 1).head
    joined = moments.joined(new, np.full(2, CLASSES), CLASSES + 1)
    own = new.mean(axis=0) - joined.center
    precision = np.linalg.inv(joined.within())
    expected = -own @ precision @ (new.mean(axis=0) + joined.center) / 2 + GIVEN_BACK * SIZE / 2 / 2
    assert head.bias[CLASSES] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("diagonal", [False, True])
def test_a_new_class_is_learned_from_ten_images(diagonal: bool) -> None:
    """Nearly as well as a head that has all images of all classes, and old ones are not forgotten."""
    means = centers(3, CLASSES + 1)
    labels = np.arange(2000) % (CLASSES + 1)
    features = around(means, labels, 0)
    old = labels < CLASSES
    moments = SourceMoments.of(features[old], labels[old], CLASSES, diagonal)
    ten = np.flatnonzero(~old)[:10]
    few = lda(moments, features[ten], labels[ten], CLASSES + 1).head
    everything = SourceMoments.of(features, labels, CLASSES + 1, diagonal)
    best = lda(everything, features[:0], labels[:0], CLASSES + 1).head
    unseen = around(means, labels, 1)
    for part in (old, ~old):
        right, most = ((head.logits(unseen).argmax(axis=1) == labels)[part].mean() for head in (few, best))
        assert right > most - 0.05
