"""What a run without labels is decided by: blended statistics, sureness, and the guard; each held to its meaning."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_artifacts.manifest import BatchNorm
from tbft_runtime.run.unlabelled_record import Sureness
from tbft_runtime.softmax import softmax
from tbft_runtime.unlabelled.blend import SHARES, blended
from tbft_runtime.unlabelled.guard import choose, decide, telling
from tbft_runtime.unlabelled.information import classes_in_use, entropies, log_marginal, moved, sure
from tbft_runtime.unlabelled.survey import survey

NORM = BatchNorm(mean="mean", variance="variance", momentum=0.1, values=4)
SEEDS = st.integers(0, 2**32 - 1)


def statistics(values: np.ndarray) -> dict[str, np.ndarray]:
    """Of (n, channels)."""
    return {"mean": values.mean(axis=0).astype(np.float32), "variance": values.var(axis=0).astype(np.float32)}


@given(SEEDS, st.sampled_from([(1, 7), (1, 3), (1, 1)]))
def test_a_blend_is_what_all_values_together_have(seed: int, counts: tuple[int, int]) -> None:
    """Own values and those of the images, so many of each: mean, and variance with what lies between both means."""
    rng = np.random.default_rng(seed)
    own, others = (rng.normal(rng.normal(0, 3), 1, (60 * count, 5)) for count in counts)
    share = counts[0] / sum(counts)
    assert share in SHARES
    found = blended(statistics(own), statistics(others), [NORM], share)
    for name, value in statistics(np.concatenate([own, others])).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)


def test_all_of_one_kind_is_that_to_the_bit() -> None:
    """And a copy: whoever averages into it later changes nothing else."""
    own, others = ({"mean": np.float32([x]), "variance": np.float32([x + 0.1])} for x in (0.1, 0.7))
    for share, source in ((0.0, others), (1.0, own)):
        found = blended(own, others, [NORM], share)
        for name, value in source.items():
            np.testing.assert_array_equal(found[name], value)
            assert not np.shares_memory(found[name], value)


@given(SEEDS, st.integers(2, 12))
def test_entropy_is_that_of_answers(seed: int, classes: int) -> None:
    """Between 0 and log C; none for an answer that is certain, which is no number's logarithm."""
    rng = np.random.default_rng(seed)
    found = softmax(rng.normal(0, 4, (9, classes)))
    expected = [-sum(p * math.log(p) for p in row) for row in found]
    np.testing.assert_allclose(entropies(found), expected, rtol=1e-9, atol=1e-12)
    assert entropies(np.eye(classes)).tolist() == [0.0] * classes
    assert classes_in_use(np.full(classes, 1 / classes)) == pytest.approx(classes)
    assert 1 <= classes_in_use(found.mean(axis=0)) <= classes + 1e-9
    np.testing.assert_array_equal(sure(entropies(np.eye(classes)), classes), True)
    np.testing.assert_array_equal(sure(entropies(np.full((3, classes), 1 / classes)), classes), False)


def test_a_class_that_nobody_answers_has_a_logarithm() -> None:
    """The graph takes no infinity; and a mean that moved is one still."""
    mean = moved(np.array([1.0, 0.0]), np.array([[0.9, 0.1], [0.7, 0.3]]))
    np.testing.assert_allclose(mean, [0.98, 0.02])
    found = log_marginal(np.array([1.0, 0.0]))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_a_survey_is_the_same_however_answers_come() -> None:
    """One by one, or all at once."""
    logits = np.random.default_rng(0).normal(0, 2, (8, 4)).astype(np.float32)
    whole = survey(iter([(np.arange(8), logits)]))
    parts = survey((np.array([index]), logits[index : index + 1]) for index in range(8))
    np.testing.assert_array_equal(whole.indices, parts.indices)
    np.testing.assert_allclose(whole.entropies, parts.entropies)
    np.testing.assert_allclose(whole.mean, parts.mean)
    assert whole.sureness.classes == pytest.approx(parts.sureness.classes)


@pytest.mark.parametrize(
    ("share", "classes", "images", "decision", "told"),
    [
        (0.0, 9.8, 200, "train", ""),
        (0.5, 8.8, 1000, "train", ""),
        (0.0, 8.7, 1000, "statistics", "about 8.7 of 10 classes"),
        (0.5, 3.0, 1000, "statistics", "windows of more classes"),
        (0.0, 9.8, 199, "statistics", "199 windows of 10 classes are too few"),
        (1.0, 9.8, 1000, "keep", "the windows are like those of its training"),
    ],
)
def test_the_guard(share: float, classes: float, images: int, decision: str, told: str) -> None:
    """The network's own statistics speak against all of it, few classes or images against training; in words."""
    found, why = decide(share, Sureness(entropy=0.5, classes=classes), 10, images, "window")
    assert (found, bool(why)) == (decision, decision != "train")
    assert told in why


def test_answers_that_are_the_same_for_every_image_are_not_believed() -> None:
    """Noise made a ResNet-26 sure of one or two classes; of a network that sees two classes, they tell images apart."""
    best = Sureness(entropy=0.62, classes=8.4)
    collapsed, few = Sureness(entropy=0.4, classes=1.8), Sureness(entropy=0.3, classes=3.2)
    assert telling({0.0: best, 1.0: collapsed}) == [0.0]
    assert telling({0.0: best, 1.0: few}) == [0.0, 1.0]
    assert telling({1.0: collapsed}) == [1.0]


@pytest.mark.parametrize(
    ("entropy", "classes", "chosen"),
    [
        # Pools of three classes under pixelate, glass blur and noise, and one of ten under JPEG compression.
        (0.77, 7.2, 1.0),
        (0.67, 6.3, 1.0),
        (0.57, 6.6, 0.5),
        (0.77, 9.8, 0.5),
    ],
)
def test_few_classes_have_to_be_clearly_surer(entropy: float, classes: float, chosen: float) -> None:
    """Statistics of three classes made answers a little surer, and 6 to 11 points fewer right."""
    found = {0.5: Sureness(entropy=entropy, classes=classes), 1.0: Sureness(entropy=0.78, classes=5.2)}
    assert choose(found, 10) == chosen


def test_few_classes_by_a_hair_do_not_hide_many() -> None:
    """Of all ten classes under pixelate: 37 % were right before, 70 % behind training."""
    found = {
        0.125: Sureness(entropy=0.58, classes=9.8),
        0.5: Sureness(entropy=0.55, classes=7.7),
        1.0: Sureness(entropy=0.64, classes=6.2),
    }
    assert choose(found, 10) == 0.125
    hardly = found | {0.125: Sureness(entropy=0.61, classes=9.8)}
    assert choose(hardly, 10) == 1.0


@given(st.floats(0, 2.3))
def test_the_same_answer_to_every_image_is_one_of_the_ways(entropy: float) -> None:
    """Rounding makes its information a little more, or less, than none."""
    same = Sureness(entropy=entropy, classes=math.exp(entropy))
    assert telling({1.0: same}) == [1.0]
    assert telling({0.0: same, 1.0: same}) == [0.0, 1.0]
