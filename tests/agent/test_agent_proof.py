"""When a candidate is better: as the exact test says, and never by chance alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from support.agents import proof_of
from tbft_agent.adapting.proof import FEWEST, LEVEL, Proof, chance_of
from tbft_agent.watching.wrong import are_wrong
from tbft_runtime.going_back import Forgotten


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
    found = Forgotten(images=20, before=0.9, trained=0.6, after=0.8, share=0.5)
    lost = Proof(images=6, right_before=0, right_after=6, chance=0.0, forgotten=found)
    assert lost.forgets_more(5)
    assert not lost.forgets_more(11)
    # Where labels mean something else now, those of the source are wrong.
    assert not replace(lost, renames=True).forgets_more(5)


def test_as_much_as_may_be_lost_is_not_too_much() -> None:
    """0.95 of 20 images were 5.000000000000004 points less than all, and refused by a limit of 5."""
    found = Forgotten(images=20, before=1.0, trained=0.95, after=0.95)
    assert not Proof(images=6, right_before=0, right_after=6, chance=0.0, forgotten=found).forgets_more(5)


@given(st.integers(0, 40), st.floats(0, 1))
def test_no_label_says_that_a_model_that_is_always_right_is_wrong(images: int, confidence: float) -> None:
    assert not are_wrong(images, images, confidence)
