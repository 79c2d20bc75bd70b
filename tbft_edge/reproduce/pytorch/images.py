"""Labelled images, and what the network sees of them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tbft_artifacts.input_shape import square_rgb
from tbft_artifacts.preprocessing import Normalize
from tbft_runtime.data.preprocessing import Preprocessing

# (p / 255 - 0.5) / 0.5, computed by the very function that a device computes it with.
_HALF = (0.5, 0.5, 0.5)
_NORMALIZATION = Preprocessing((Normalize(mean=_HALF, std=_HALF),), square_rgb(0))


class Labelled(Protocol):
    """`images` (N, S, S, 3) uint8 RGB, `labels` (N,) int64."""

    @property
    def images(self) -> np.ndarray: ...

    @property
    def labels(self) -> np.ndarray: ...


def network_input(images: np.ndarray) -> Tensor:
    """(N, S, S, 3) uint8 -> (N, 3, S, S) float32 in [-1, 1]."""
    return torch.from_numpy(_NORMALIZATION.normalize(images))
