"""The images that a prefix is calibrated with, and others that its accuracy is measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError

# More hardly widen the range of any activation.
MOST_CALIBRATION = 256
CALIBRATION_SHARE = 1 / 3


@dataclass(frozen=True)
class Split:
    """Indices of images: none is in both."""

    calibration: np.ndarray
    measured: np.ndarray


def split(images: int) -> Split:
    """Always the same random split of that many images: a third, but not more than needed, calibrates.

    Raises TbftError if there are not enough for both parts.
    """
    if images < 2:
        raise TbftError(
            f"{images} labelled images are too few to calibrate an int8 prefix and to measure it",
            "give a few hundred with `calibration`",
        )
    calibration = min(MOST_CALIBRATION, max(1, int(images * CALIBRATION_SHARE)))
    order = np.random.default_rng(0).permutation(images)
    return Split(np.sort(order[:calibration]), np.sort(order[calibration:]))
