"""Which head is taken for which images, and how sure it may be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.feature_clouds import around, centers, head_of
from tbft_artifacts.errors import TbftError
from tbft_runtime.heads.head import Head
from tbft_runtime.heads.judge import judged
from tbft_runtime.heads.learn import learn_head
from tbft_runtime.heads.moments import KeptFeatures, SourceMoments
from tbft_runtime.heads.scale import likeliest_scale
from tbft_runtime.heads.unknown import unknown_score, unknown_threshold
from tbft_runtime.softmax import cross_entropy, softmax

CLASSES = 5
MEANS = centers(3, CLASSES + 1, 8)
OLD = head_of(MEANS[:CLASSES])
RENAMED = np.array([2, 0, 1, 4, 3])


def labels_of(each: int, classes: int = CLASSES) -> np.ndarray:
    return np.repeat(np.arange(classes), each)


def test_what_fits_stays() -> None:
    """The old head, bit for bit, where nothing is better."""
    labels = labels_of(5)
    learned = learn_head(OLD, around(MEANS, labels, 1), labels, CLASSES)
    assert learned.kind == "old"
    assert learned.head is OLD


@pytest.mark.parametrize("each", [1, 3])
def test_one_image_of_each_class_tells_how_they_are_renamed(each: int) -> None:
    """Rows of the old head, as sure as the images allow."""
    labels = labels_of(each)
    learned = learn_head(OLD, around(MEANS, labels, 1), RENAMED[labels], CLASSES)
    assert learned.kind == "renamed"
    assert learned.head.weight.dtype == learned.head.bias.dtype == np.float32
    unseen = labels_of(200)
    assert (learned.head.logits(around(MEANS, unseen, 2)).argmax(axis=1) == RENAMED[unseen]).mean() > 0.9


def test_a_head_that_knows_nothing_is_not_renamed() -> None:
    """From one image of each class it cannot be told to be better than guessing, so class means are taken."""
    labels = labels_of(1)
    blind = head_of(centers(99, CLASSES, 8))
    learned = learn_head(blind, around(MEANS, labels, 1, spread=0.1), labels, CLASSES)
    assert learned.kind == "class means"
    kinds = {each.kind: each for each in learned.candidates}
    assert not kinds["renamed"].beats_guessing
    assert np.isnan(kinds["class means"].accuracy)


def test_what_no_old_row_says_is_fitted() -> None:
    """Two old classes that share one new name have no row in common."""
    labels = labels_of(20)
    merged = np.minimum(labels, 2) % 2
    two = head_of(MEANS[:2])
    learned = learn_head(two, around(MEANS, labels, 1), merged, 2)
    assert learned.kind in ("class means", "ridge")
    by_kind = {each.kind: each for each in learned.candidates}
    assert learned.judged.accuracy == max(each.accuracy for each in learned.candidates)
    assert by_kind["old"].accuracy < learned.judged.accuracy


def test_classes_without_images_keep_their_rows() -> None:
    """Of two renamed classes alone the others are as they were: means of two classes would forget them."""
    labels = np.repeat([3, 4], 6)
    learned = learn_head(OLD, around(MEANS, labels, 1), RENAMED[labels], CLASSES)
    assert [each.kind for each in learned.candidates] == ["old", "renamed"]
    assert learned.kind == "renamed"
    unseen = labels_of(100)
    answers = learned.head.logits(around(MEANS, unseen, 2)).argmax(axis=1)
    expected = np.array([0, 1, 2, 4, 3])[unseen]
    assert (answers == expected).mean() > 0.9


def test_a_new_class_needs_moments_or_all_others() -> None:
    """Both recalls are judged where kept features tell of the old classes; else the new one's alone."""
    known = labels_of(300)
    features = around(MEANS, known, 4)
    source = SourceMoments.of(features, known, CLASSES)
    new = around(MEANS, np.full(10, CLASSES), 5)
    labels = np.full(10, CLASSES)
    with pytest.raises(TbftError, match="5 of the 5 old classes"):
        learn_head(OLD, new, labels, CLASSES + 1)
    with pytest.raises(TbftError, match="new class has no image"):
        learn_head(OLD, features, known, CLASSES + 1, source)

    bare = learn_head(OLD, new, labels, CLASSES + 1, source)
    assert bare.kind == "lda"
    assert np.isnan(bare.judged.recalls[:CLASSES]).all()
    assert bare.judged.recalls[CLASSES] > 0.7
    kept = KeptFeatures(around(MEANS, labels_of(20), 6), labels_of(20))
    told = learn_head(OLD, new, labels, CLASSES + 1, source, kept)
    unseen = labels_of(300, CLASSES + 1)
    right = told.head.logits(around(MEANS, unseen, 7)).argmax(axis=1) == unseen
    assert right.mean() == pytest.approx(told.judged.accuracy, abs=3 * told.judged.standard_error)
    every = np.r_[known[::30], labels]
    alone = learn_head(OLD, np.r_[features[::30], new], every, CLASSES + 1)
    assert {each.kind for each in alone.candidates} == {"class means", "ridge"}


@given(st.integers(0, 10**6), st.integers(2, 40), st.floats(0.01, 100))
def test_the_scale_is_the_likeliest(seed: int, count: int, size: float) -> None:
    """Of many factors, under targets that take one of n + 2 images for wrong; logits that were larger need less."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    logits = (np.eye(3)[labels] + rng.normal(0, 0.7, (count, 3))) * size
    doubt = 1 / (count + 2)
    # Worse than guessing is a head that should not be sure at all.
    assume((logits[np.arange(count), labels] - logits.mean(axis=1)).sum() * (1 - 1.5 * doubt) > 0.1 * size)
    factor = likeliest_scale(logits, labels)
    assert factor is not None

    def cost(scale: float) -> float:
        each = [cross_entropy(logits * scale, np.full(count, label)) for label in range(3)]
        own = np.choose(labels, each)
        return float((own * (1 - 1.5 * doubt) + sum(each) * doubt / 2).mean())

    assert cost(factor) <= min(cost(factor * step) for step in (0.5, 0.9, 1.1, 2)) + 1e-9


def test_few_images_that_are_all_right_make_no_head_certain() -> None:
    """And images that say nothing no scale at all."""
    labels = np.arange(3)
    logits = np.eye(3) * 5
    factor = likeliest_scale(logits, labels)
    assert factor is not None
    assert softmax(logits * factor).max() == pytest.approx(0.8, abs=1e-6)
    assert likeliest_scale(np.full((3, 3), -np.inf), labels) is None
    assert likeliest_scale(np.ones((3, 3)), labels) is None


def test_only_images_that_tell_are_judged() -> None:
    """Every class alike; one that no image tells of has no recall."""
    logits = np.array([[1.0, 0, 0], [1.0, 0, 0], [1.0, 0, 0], [1.0, 0, 0], [0, -np.inf, 1.0]])
    found = judged("ridge", logits[:, [0, 1, 2]], np.array([0, 0, 0, 2, 1]))
    np.testing.assert_array_equal(found.recalls, [1.0, np.nan, 0.0])
    assert (found.accuracy, found.images) == (0.5, 4)


def test_unknown_images_have_more_free_energy() -> None:
    """A stated part of known ones is called unknown, most that lie between all classes are."""
    known = labels_of(400)
    logits = OLD.logits(around(MEANS, known, 8))
    limit = unknown_threshold(logits, 0.05)
    assert (unknown_score(logits) > limit).mean() == pytest.approx(0.05, abs=0.002)
    fresh = unknown_score(OLD.logits(around(MEANS, known, 9)))
    assert 0.02 < (fresh > limit).mean() < 0.09
    assert unknown_score(np.array([[1e4, 0.0]])) == pytest.approx(-1e4)


def test_the_old_head_gives_way_to_what_is_clearly_better() -> None:
    """One that is right about a single image more does not replace it: from few images that is chance."""
    labels = labels_of(4)
    features = around(MEANS, labels, 1, spread=0.2)
    for forgotten, kind in ((1, "old"), (4, "class means")):
        bias = OLD.bias.copy()
        # By how much the first class wins on its four images; less than that, and so many of them are lost.
        logits = OLD.logits(features)[:4]
        wins = np.sort(logits[:, 0] - logits[:, 1:].max(axis=1))
        bias[0] -= wins[forgotten - 1] + 1e-3
        learned = learn_head(Head.of(OLD.weight, bias), features, labels, CLASSES)
        by_kind = {each.kind: each for each in learned.candidates}
        assert by_kind["old"].recalls[0] == 1 - forgotten / 4
        assert by_kind["class means"].accuracy == 1
        assert learned.kind == kind
