"""Images leave at the first exit that is sure enough, and a threshold is found that is right as often as wanted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tbft_artifacts.plan import Exit
from tbft_runtime.exits.policy import NEVER, calibrated, confidence, leaving
from tbft_runtime.exits.record import calibration, early_answers
from tbft_runtime.run.exit_answers import ExitAnswers

EXITS = tuple(Exit(f"exit{number}", 10 * (number + 1)) for number in range(4))


@st.composite
def answers(draw: st.DrawFn) -> ExitAnswers:
    """What 1 to 4 exits say of 1 to 12 images; confidences that meet, as those of equal images do."""
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 4)))
    sure = draw(arrays.arrays(np.float64, shape, elements=st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 0.999])))
    return ExitAnswers(sure, draw(arrays.arrays(bool, shape)))


def accuracy(given_answers: ExitAnswers, threshold: float) -> float:
    """Of the policy, image by image."""
    right = []
    for sure, correct in zip(given_answers.confidence, given_answers.right, strict=True):
        early = [number for number in range(len(sure) - 1) if sure[number] >= threshold]
        right.append(bool(correct[early[0] if early else -1]))
    return sum(right) / len(right)


def every_threshold(given_answers: ExitAnswers) -> list[float]:
    """One for each way in which images can leave."""
    return [NEVER, *np.unique(given_answers.confidence[:, :-1]).tolist()]


@given(answers(), st.floats(0.05, 1))
def test_the_wanted_accuracy_is_reached_where_it_can_be(found: ExitAnswers, wanted: float) -> None:
    """By trying every threshold: what is reached is never below what is wanted, or else the best there is."""
    best = max(accuracy(found, threshold) for threshold in every_threshold(found))
    reached = accuracy(found, calibrated(found, wanted).threshold)
    assert reached >= wanted or reached == best


def is_good(found: ExitAnswers, threshold: float, wanted: float | None) -> bool:
    """Whether the policy is right as often as wanted with a standard error to spare, counted image by image."""
    left = leaving(found.confidence, threshold)
    right = found.right[np.arange(found.images), left]
    if wanted is None:
        gained = int((right & ~found.right[:, -1]).sum())
        lost = int((~right & found.right[:, -1]).sum())
        return gained - lost >= math.sqrt(gained + lost) - 1e-9
    error = math.sqrt(right.mean() * (1 - right.mean()) / found.images)
    return bool(right.mean() - wanted >= error - 1e-9)


@given(answers(), st.none() | st.floats(0.05, 1))
def test_no_lower_threshold_would_do(found: ExitAnswers, wanted: float | None) -> None:
    """It is good, and images leave as early as that allows; or nothing is, and it is right most often."""
    result = calibrated(found, wanted)
    threshold = result.threshold
    assert result.has_margin == is_good(found, threshold, wanted)
    every = every_threshold(found)
    exits = leaving(found.confidence, threshold)
    earlier = [t for t in every if t < threshold and (leaving(found.confidence, t) != exits).any()]
    if is_good(found, threshold, wanted):
        assert not any(is_good(found, other, wanted) for other in earlier)
    else:
        assert not any(is_good(found, other, wanted) for other in every)
        best = max(accuracy(found, other) for other in every)
        assert accuracy(found, threshold) == best
        assert all(accuracy(found, other) < best for other in earlier)


@given(answers())
def test_by_default_it_is_as_often_right_as_the_last_exit(found: ExitAnswers) -> None:
    """Equal accuracy, however little that saves."""
    result = calibration(EXITS[: found.right.shape[1]], found, None)
    assert result.wanted == found.right[:, -1].mean()
    assert result.early.accuracy >= result.wanted
    assert result.is_reached
    assert result.has_margin


@given(answers(), st.floats(0.05, 1))
def test_the_record_is_what_the_policy_does(found: ExitAnswers, wanted: float) -> None:
    """Accuracy, rates, FLOPs and accuracies per exit, counted image by image."""
    exits = EXITS[: found.right.shape[1]]
    early = calibration(exits, found, wanted).early
    left = leaving(found.confidence, early.threshold)
    assert early.accuracy == pytest.approx(accuracy(found, early.threshold))
    assert early.images == len(left)
    assert early.full_flops == exits[-1].flops
    assert early.mean_flops == pytest.approx(sum(exits[number].flops for number in left) / len(left))
    for number, share in enumerate(early.exits):
        here = left == number
        assert (share.name, share.flops) == (exits[number].name, exits[number].flops)
        assert share.share == here.mean()
        assert share.accuracy == found.right[:, number].mean()
        assert share.share_accuracy == (found.right[here, number].mean() if here.any() else None)


@given(answers(), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_never_leaves_earlier(found: ExitAnswers, one: float, other: float) -> None:
    """For every image; so rates move to the end and FLOPs grow."""
    low, high = sorted([one, other])
    assert (leaving(found.confidence, low) <= leaving(found.confidence, high)).all()
    exits = EXITS[: found.right.shape[1]]
    assert early_answers(exits, found, low).mean_flops <= early_answers(exits, found, high).mean_flops


@given(arrays.arrays(np.float32, (5, 3, 4), elements=st.floats(-1e4, 1e4, width=32)))
def test_at_one_everything_goes_to_the_end(logits: np.ndarray) -> None:
    """Also where a probability rounds to 1; confidences are probabilities of the likeliest of four classes."""
    sure = confidence(logits)
    assert (leaving(sure, NEVER) == 2).all()
    assert (leaving(sure, 0.0) == 0).all()
    assert ((sure >= 0.25) & (sure < 1)).all()
    probabilities = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True).astype(np.float64))
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(sure, probabilities.max(axis=-1), rtol=1e-12)


def test_leaving_keeps_what_it_is_given() -> None:
    """The confidences are still those that were measured."""
    sure = np.array([[0.5, 0.2, 0.1]])
    leaving(sure, 0.9)
    np.testing.assert_array_equal(sure, [[0.5, 0.2, 0.1]])


def test_a_threshold_lies_between_two_images() -> None:
    """So that rounding, which differs with the size of a batch, makes no image leave elsewhere."""
    sure = np.array([[0.9, 0.5], [0.7, 0.5], [0.5, 0.5]])
    right = np.array([[True, True], [True, True], [False, True]])
    assert calibrated(ExitAnswers(sure, right), None).threshold == pytest.approx(0.6)
    assert calibrated(ExitAnswers(sure, right), 0.3).threshold == pytest.approx(0.25)


def test_what_a_few_images_gain_is_not_believed() -> None:
    """Three gained and two lost is luck; eight gained and two lost is more than a standard error."""
    for gained, believed in ((3, False), (8, True)):
        right = np.array([[True, False]] * gained + [[False, True]] * 2 + [[True, True]] * 10)
        sure = np.full(right.shape, 0.5)
        assert (calibrated(ExitAnswers(sure, right), None).threshold < 0.5) == believed


def test_where_nothing_reaches_it_the_best_is_taken() -> None:
    """The exits' answers are wrong less often together than the last one's; 100 % is out of reach."""
    sure = np.array([[0.9, 0.5], [0.6, 0.5], [0.4, 0.5]])
    right = np.array([[True, False], [False, True], [False, False]])
    result = calibration(EXITS[:2], ExitAnswers(sure, right), 1.0)
    assert not result.is_reached
    assert not result.has_margin
    assert (result.wanted, result.early.accuracy) == (1.0, pytest.approx(2 / 3))
    assert 0.6 < result.early.threshold < 0.9


def test_what_is_just_reached_has_no_margin() -> None:
    """Two of three images are two thirds, and so few that the best is not more than that by a standard error."""
    sure = np.array([[0.9, 0.5], [0.6, 0.5], [0.4, 0.5]])
    right = np.array([[True, False], [False, True], [False, False]])
    result = calibration(EXITS[:2], ExitAnswers(sure, right), 0.66)
    assert result.is_reached
    assert not result.has_margin
    assert calibration(EXITS[:2], ExitAnswers(sure, right), 0.3).has_margin
