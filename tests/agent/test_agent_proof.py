"""When a candidate is better: as the exact test says, and never by chance alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.agents import proof_of
from tbft_agent.adapting.proof import FEWEST, LEVEL, Proof, chance_of
from tbft_agent.watching.wrong import are_wrong


@pytest.mark.parametrize(("gained", "lost"), [(g, n - g) for n in range(9) for g in range(n + 1)])
def test_the_chance_is_that_of_all_outcomes(gained: int, lost: int) -> None:
    """Counted: of each image that only one knows, either is the one that does."""
    outcomes = list(itertools.product((0, 1), repeat=gained + lost))
    as_clear = sum(sum(outcome) >= gained for outcome in outcomes)
    assert chance_of(gained, lost) == pytest.approx(as_clear / len(outcomes))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_what_is_no_more_often_right_is_never_better(gained: int, lost: int, both: int) -> None:
    found = proof_of(gained, lost, both)
    if found.is_better:
        assert found.right_after > found.right_before
        assert found.images >= FEWEST
        assert found.chance < LEVEL
    if gained <= lost:
        assert not found.is_better


def test_five_that_only_the_candidate_knows_are_enough_and_four_are_not() -> None:
    assert proof_of(5, 0, 1).is_better
    assert not proof_of(4, 0, 10).is_better
    assert not proof_of(5, 0).decides


def test_nothing_known_forgets_nothing() -> None:
    assert not proof_of(5, 0, 1).forgets_more(0)
    lost = Proof(images=6, right_before=0, right_after=6, chance=0.0, source_before=0.9, source_after=0.8)
    assert lost.forgets_more(5)
    assert not lost.forgets_more(11)


@given(st.integers(0, 40), st.floats(0, 1))
def test_no_label_says_that_a_model_that_is_always_right_is_wrong(images: int, confidence: float) -> None:
    assert not are_wrong(images, images, confidence)
