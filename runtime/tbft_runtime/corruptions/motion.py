"""The trace that a movement leaves while the shutter is open."""

from __future__ import annotations

import numpy as np

# Weights below this change no byte.
_NEGLIGIBLE = 1e-6


def motion_blurred(images: np.ndarray, angles: np.ndarray, radius: int, sigma: float) -> np.ndarray:
    """Smear images (N, H, W, ...) along lines; angles (N,) in degrees, 0 to the right, 90 downwards.

    out[p] = Σ_i w_i · in[p + round(i · direction)], i = 0 … 2 · radius, w_i ~ exp(−i² / 2 sigma²), Σ w = 1.
    One-sided, with the edge continued outside: ImageMagick's MotionBlur, which the corruptions were made with.
    """
    weights = np.exp(-0.5 * (np.arange(2 * radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    weights = weights[weights > _NEGLIGIBLE]
    reach = len(weights) - 1
    height, width = images.shape[1:3]
    channels = ((0, 0),) * (images.ndim - 3)
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), *channels), mode="edge")
    out = np.zeros_like(images)
    for target, source, angle in zip(out, padded, np.deg2rad(angles.astype(np.float64)), strict=True):
        steps = np.arange(reach + 1)
        tops = reach + np.ceil(steps * np.sin(angle) - 0.5).astype(int)
        lefts = reach + np.ceil(steps * np.cos(angle) - 0.5).astype(int)
        for weight, top, left in zip(weights, tops.tolist(), lefts.tolist(), strict=True):
            target += weight * source[top : top + height, left : left + width]
    return out
