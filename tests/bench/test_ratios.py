"""A ratio is made within a round, and its interval holds the median as often as it says."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ratios import CONFIDENCE, paired, spread

values = st.floats(min_value=1e-3, max_value=1e3)


def outside(count: int, rank: int) -> float:
    """How probable it is that the true median lies outside an interval without `rank` values on each side."""
    return 2 * sum(comb(count, heads) for heads in range(rank + 1)) / 2**count


@given(st.integers(6, 200))
def test_the_interval_is_the_narrowest_that_is_sure_enough(count: int) -> None:
    """Of the numbers 0, 1, 2, …, the lower end is how many values lie outside."""
    found = spread([float(number) for number in range(count)])
    rank = int(found.low)
    assert found.high == count - 1 - rank
    assert outside(count, rank) <= 1 - CONFIDENCE
    assert outside(count, rank + 1) > 1 - CONFIDENCE


@pytest.mark.parametrize("count", range(1, 6))
def test_few_rounds_show_the_smallest_and_the_largest(count: int) -> None:
    found = spread([float(number) for number in range(count)])
    assert (found.low, found.high, found.rounds) == (0, count - 1, count)


@given(st.lists(values, min_size=1), st.randoms())
def test_the_order_of_the_rounds_does_not_matter(measured: list[float], random: object) -> None:
    shuffled = list(measured)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert spread(shuffled) == spread(measured)


@given(st.lists(st.tuples(values, values), min_size=1))
def test_a_machine_that_slows_down_changes_no_ratio(rounds: list[tuple[float, float]]) -> None:
    """Rounds in which everything takes twice as long give the same ratios."""
    theirs, ours = [a for a, _ in rounds], [b for _, b in rounds]
    slow = [1 + index % 2 for index in range(len(rounds))]
    slower = paired(
        [a * f for a, f in zip(theirs, slow, strict=True)], [b * f for b, f in zip(ours, slow, strict=True)]
    )
    assert slower == pytest.approx(paired(theirs, ours))


def test_rounds_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="nothing"):
        spread([])
