"""The assignment problem, against trying every permutation."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_runtime.heads.assignment import Assignment


def most(benefits: np.ndarray) -> float:
    """The largest sum that one entry of each row and column can have."""
    rows = np.arange(len(benefits))
    return max(float(benefits[rows, columns].sum()) for columns in permutations(rows))


@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans())
def test_it_is_as_good_as_any_permutation(seed: int, size: int, ties: bool) -> None:
    """Also with many equal sums, and when one row changes after the others were settled."""
    rng = np.random.default_rng(seed)
    benefits = rng.integers(-2, 3, (size, size)) * 1.0 if ties else rng.normal(0, 1, (size, size))
    rows = np.arange(size)
    solved = Assignment(benefits)
    assert sorted(solved.columns) == list(rows)
    assert benefits[rows, solved.columns].sum() == pytest.approx(most(benefits))

    row = int(rng.integers(size))
    other = benefits.copy()
    other[row] = rng.normal(0, 3, size)
    columns = solved.changed(row, other[row])
    assert sorted(columns) == list(rows)
    assert other[rows, columns].sum() == pytest.approx(most(other))
    assert benefits[rows, solved.columns].sum() == pytest.approx(most(benefits)), "what was solved stays"
