"""Which images to label first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from support.feature_clouds import around, centers
from tbft_runtime.heads.typical import typical


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_it_names_different_images(seed: int, total: int, count: int, alike: bool) -> None:
    """As many as asked for, also where many are the same; the same ones again with the same seed."""
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 2, (total, 2)).astype(np.float32) if alike else rng.normal(0, 1, (total, 5))
    count = min(count, total)
    chosen = typical(features, count, seed)
    assert len(set(chosen.tolist())) == len(chosen) == count
    assert set(chosen.tolist()) <= set(range(total))
    np.testing.assert_array_equal(chosen, typical(features, count, seed))


def test_every_kind_is_named_and_the_most_common_first() -> None:
    """Of kinds of which there are 300, 30 and 10 images; at random three images would nearly always miss one."""
    labels = np.repeat([0, 1, 2], [300, 30, 10])
    features = around(centers(0, 3, 16), labels, 0, spread=0.1)
    for seed in range(5):
        assert labels[typical(features, 3, seed)].tolist() == [0, 1, 2]


def test_what_is_named_lies_in_the_middle() -> None:
    """Nearer to the mean of its kind than nearly all others."""
    features = around(centers(0, 2, 16), np.arange(400) % 2, 0, spread=0.2)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    for index in typical(features, 2, 0):
        own = unit[index % 2 :: 2]
        away = np.linalg.norm(own - own.mean(axis=0), axis=1)
        assert away[index // 2] < np.quantile(away, 0.05)
