"""Loss and accuracy of many batches are those of all images at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_runtime.softmax import cross_entropy, softmax
from tbft_runtime.tally import Tally


@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_batches_add_up(images: int, batch: int, seed: int) -> None:
    """However the images are cut into batches, loss and accuracy are the same."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(images, 4)).astype(np.float32)
    labels = rng.integers(0, 4, images)
    tally = Tally()
    for start in range(0, images, batch):
        tally.add(logits[start : start + batch], labels[start : start + batch])
    found = tally.evaluation()
    probabilities = np.exp(logits.astype(np.float64))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert found.loss == pytest.approx(-np.log(probabilities[np.arange(images), labels]).mean())
    assert found.accuracy == pytest.approx((logits.argmax(axis=1) == labels).mean())
    assert found.images == images


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_of_several_exits_the_last_one_answers(images: int, batch: int, exits: int, seed: int) -> None:
    """The loss is the mean over exits, accuracy and confusion are the last one's, and each one's answers are kept."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(images, exits, 4)).astype(np.float32)
    labels = rng.integers(0, 4, images)
    tally = Tally()
    alone = [Tally() for _ in range(exits)]
    for start in range(0, images, batch):
        part = slice(start, start + batch)
        tally.add(logits[part], labels[part])
        for number, other in enumerate(alone):
            other.add(logits[part, number], labels[part])
    found, each = tally.evaluation(), [other.evaluation() for other in alone]
    assert found.loss == pytest.approx(np.mean([one.loss for one in each]))
    assert (found.accuracy, found.images) == (each[-1].accuracy, images)
    np.testing.assert_array_equal(tally.confusion(), alone[-1].confusion())
    kept = tally.exit_answers()
    assert kept.right.mean(axis=0).tolist() == pytest.approx([one.accuracy for one in each])
    np.testing.assert_allclose(kept.confidence, softmax(logits.reshape(-1, 4)).max(axis=1).reshape(images, exits))
    assert alone[0].exit_answers() is None


def test_large_logits_do_not_overflow() -> None:
    """exp(1000) is infinite; the loss is not."""
    logits = np.array([[1000.0, 0.0], [-1000.0, 0.0]], np.float32)
    np.testing.assert_allclose(cross_entropy(logits, np.array([1, 0])), [1000, 1000])
    np.testing.assert_allclose(softmax(logits), [[1, 0], [0, 1]])


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=6))
def test_probabilities_add_up_to_one(values: list[float]) -> None:
    """What is shown as a probability is one."""
    probabilities = softmax(np.array([values], np.float32))
    assert probabilities.sum() == pytest.approx(1)
    assert (probabilities >= 0).all()
