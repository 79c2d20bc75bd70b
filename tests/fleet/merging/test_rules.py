"""How values of several devices become one: formulas, whatever their order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tbft_artifacts.errors import TbftError
from tbft_fleet.merging.rules import RULES, Rule, freshness, mean, median, rule_weights, trimmed_mean
from tbft_fleet.merging.statistics import default_norms, total_moments

NUMBERS = st.floats(-1e6, 1e6)


@st.composite
def parts(draw: st.DrawFn, least: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, 3), some of which are equal, and weights (n,)."""
    n = draw(st.integers(least, 9))
    values = draw(arrays(np.float64, (n, 3), elements=st.one_of(NUMBERS, st.sampled_from([0.0, 1.0]))))
    return values, draw(arrays(np.float64, n, elements=st.floats(0.01, 1000)))


@given(parts(), st.sampled_from(sorted(RULES)), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(given_parts: tuple[np.ndarray, np.ndarray], rule: Rule, random: object) -> None:
    """Results come in as networks let them; equal values of unequal weight are the hard case."""
    values, weights = given_parts
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    first, other = RULES[rule](values, weights), RULES[rule](values[order], weights[order])
    np.testing.assert_allclose(other, first, rtol=1e-9, atol=1e-6)


@given(parts(), st.sampled_from(sorted(RULES)))
def test_nothing_lies_outside(given_parts: tuple[np.ndarray, np.ndarray], rule: Rule) -> None:
    """No rule invents a value, and where all agree they get what they have."""
    values, weights = given_parts
    merged = RULES[rule](values, weights)
    slack = 1e-9 * np.abs(values).max() + 1e-12
    assert (merged >= values.min(axis=0) - slack).all()
    assert (merged <= values.max(axis=0) + slack).all()
    alike = np.broadcast_to(values[:1], values.shape)
    np.testing.assert_allclose(RULES[rule](alike, weights), values[0], rtol=1e-12, atol=1e-12)


@given(arrays(np.float32, 5, elements=st.floats(-(2.0**100), 2.0**100, width=32)), st.floats(1e-3, 1e9))
def test_a_part_alone_is_itself(values: np.ndarray, weight: float) -> None:
    for rule in (mean, median):
        merged = rule(values.astype(np.float64)[np.newaxis], np.array([weight]))
        assert np.array_equal(merged.astype(np.float32), values)


@given(parts(5), st.floats(-1e30, 1e30), st.floats(0.01, 1e9))
def test_one_liar_moves_a_trimmed_mean_and_a_median_no_further_than_the_others_are(
    honest: tuple[np.ndarray, np.ndarray], lie: float, weight: float
) -> None:
    """Whatever it sends, and however many images it claims in a trimmed mean."""
    values, weights = honest
    all_values = np.vstack([values, np.full((1, 3), lie)])
    trimmed = trimmed_mean(all_values, np.append(weights, weight))
    middle = median(all_values, np.ones(len(all_values)))
    for merged in (trimmed, middle):
        assert (merged >= values.min(axis=0) - 1e-6).all()
        assert (merged <= values.max(axis=0) + 1e-6).all()


def test_a_median_is_numpys_where_all_count_alike() -> None:
    values = np.random.default_rng(0).normal(size=(6, 50))
    for n in (1, 2, 3, 4, 5, 6):
        np.testing.assert_allclose(median(values[:n], np.full(n, 0.1)), np.median(values[:n], axis=0), rtol=1e-12)


def test_a_trimmed_mean_takes_three() -> None:
    """Of two nobody can be outvoted, and it says so instead of pretending."""
    with pytest.raises(TbftError, match="3 at least"):
        trimmed_mean(np.zeros((2, 1)), np.ones(2))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.data())
def test_weights_sum_to_one_and_late_ones_count_less(images: list[int], data: st.DataObject) -> None:
    """1 / sqrt(1 + age): FedAsync's polynomial."""
    ages = data.draw(st.lists(st.integers(0, 50), min_size=len(images), max_size=len(images)))
    for rule in RULES:
        weights = rule_weights(rule, np.array(images, float), np.array(ages))
        assert weights.sum() == pytest.approx(1)
        assert (weights > 0).all()
    assert [freshness(age) for age in (0, 3, 8)] == pytest.approx([1, 1 / 2, 1 / 3])
    by_images = rule_weights("mean", np.array([10.0, 30.0, 30.0]), np.array([0, 0, 3]))
    assert by_images == pytest.approx(np.array([10, 30, 15]) / 55)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=8), st.sampled_from(["mean", "trimmed"]))
def test_whoever_claims_a_billion_images_counts_three_times_the_usual(images: list[int], rule: Rule) -> None:
    """Also beside one other device, which is the usual there; where honest devices differ little nothing changes."""
    lied = rule_weights(rule, np.array([*images, 10**9], float), np.zeros(len(images) + 1))
    usual = sorted([*images, 10**9])[len(images) // 2]
    honest = np.minimum(images, 3 * usual)
    assert lied[-1] == pytest.approx(3 * usual / (honest.sum() + 3 * usual))
    alike = np.array([60.0, 90.0, 120.0])
    assert rule_weights(rule, alike, np.zeros(3)) == pytest.approx(alike / 270)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_the_total_variance_is_that_of_all_samples_together(counts: list[int], seed: int) -> None:
    """Also where devices see quite different images: the means of variances alone would be too small."""
    rng = np.random.default_rng(seed)
    samples = [rng.normal(rng.normal(0, 10), rng.uniform(0.1, 5), (count, 4)) for count in counts]
    means = np.stack([each.mean(axis=0) for each in samples])
    variances = np.stack([each.var(axis=0) for each in samples])
    weights = np.array(counts, float)
    merged = total_moments(means, variances, lambda values: mean(values, weights))
    pooled = np.concatenate(samples)
    np.testing.assert_allclose(merged[0], pooled.mean(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(merged[1], pooled.var(axis=0), rtol=1e-9, atol=1e-9)


def test_statistics_that_did_not_move_stay() -> None:
    """What a plan's policy of batch norms makes of a merge, unless somebody says other."""
    policies = ("frozen", "adapt", "block", "batch")
    assert [default_norms(policy) for policy in policies] == ["frozen", "merge", "merge", "merge"]
