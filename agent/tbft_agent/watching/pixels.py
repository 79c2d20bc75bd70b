"""Numbers of an image where the network gives none: of its pixels, and of how sure the answer is.

Noise, blur, fog, darkness and another gain show in them. What only a network tells, such as another kind of thing, does
not: bundles that were exported with source images are watched by what a norm of the network sees instead.
"""

from __future__ import annotations

import numpy as np

_LEAST = 1e-6


def numbers_of(pixels: np.ndarray, probabilities: np.ndarray, channels_last: bool) -> np.ndarray:
    """(N, 3C + 1) of prepared pixels (N, H, W, C), or a signal's values (N, C, H, W), and answers (N, K).

    Of each channel the mean, the logarithm of the variance, and that of differences between neighbours along the last
    axis; and the logarithm of the odds of the likeliest class.
    """
    values = pixels.astype(np.float64)
    if channels_last:
        values = values.transpose(0, 3, 1, 2) / 255
    steps = np.diff(values, axis=3)
    sure = np.clip(probabilities.max(axis=1), _LEAST, 1 - _LEAST)
    return np.concatenate(
        [
            values.mean(axis=(2, 3)),
            np.log(values.var(axis=(2, 3)) + _LEAST),
            np.log((steps**2).mean(axis=(2, 3)) + _LEAST),
            np.log(sure / (1 - sure))[:, None],
        ],
        axis=1,
    )
