"""Images with gradients, edges and colours, as photographs have them."""

from __future__ import annotations

import numpy as np


def smooth_images(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """(count, height, width, 3) uint8: a few waves of colour, and darker boxes in each."""
    rng = np.random.default_rng(seed)
    rows, columns = np.arange(height)[:, None] / height, np.arange(width) / width
    frequencies = rng.uniform(-8, 8, (count, 3, 2, 1, 1))
    phases = rng.uniform(0, 6, (count, 3, 1, 1))
    waves = 0.5 + 0.4 * np.sin(frequencies[:, :, 0] * rows + frequencies[:, :, 1] * columns + phases)
    for image in waves:
        for top, left in rng.uniform(0, 0.8, (4, 2)) * (height, width):
            image[:, int(top) : int(top) + height // 4, int(left) : int(left) + width // 4] *= 0.5
    return np.ascontiguousarray((waves * 255).astype(np.uint8).transpose(0, 2, 3, 1))
