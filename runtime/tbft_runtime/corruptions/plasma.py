"""Clouds by the diamond-square method (Fournier, Fussell & Carpenter 1982), without seams."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tbft_runtime.corruptions.corruption import drawn


def plasma(rngs: Sequence[np.random.Generator], side: int, decay: float) -> np.ndarray:
    """(N, side, side) float32 from 0 to 1; `side` is a power of two from 2 on.

    Midpoints of ever finer squares are the mean of their four neighbours, plus U(−a, a). The public code
    of the corruptions multiplies its wobble by numbers of that range, so a falls by decay² from one size
    to the next, not by decay.
    """
    noise = drawn(rngs, lambda rng: rng.uniform(-1, 1, side * side - 1))
    heights = np.zeros((len(rngs), side, side), np.float32)
    amplitude, used, step = np.float32(1), 0, side

    def midpoints(*neighbours: np.ndarray) -> np.ndarray:
        nonlocal used
        first, second, third, fourth = neighbours
        count = first.shape[1] ** 2
        wobble = noise[:, used : used + count].reshape(first.shape)
        used += count
        means: np.ndarray = (first + second + third + fourth) / 4 + amplitude * wobble
        return means

    while step > 1:
        half = step // 2
        corners = heights[:, ::step, ::step].copy()
        right = np.roll(corners, -1, 2)
        below = np.roll(corners, -1, 1)
        centres = midpoints(corners, right, below, np.roll(right, -1, 1))
        heights[:, half::step, half::step] = centres
        heights[:, ::step, half::step] = midpoints(corners, right, centres, np.roll(centres, 1, 1))
        heights[:, half::step, ::step] = midpoints(corners, below, centres, np.roll(centres, 1, 2))
        amplitude /= np.float32(decay**2)
        step = half
    heights -= heights.min(axis=(1, 2), keepdims=True)
    levels: np.ndarray = heights / heights.max(axis=(1, 2), keepdims=True)
    return levels
