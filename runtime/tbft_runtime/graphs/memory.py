"""How much memory a session may take for tensors: generous for networks, and nothing that a graph can choose.

A graph computes the sizes of its tensors (`Expand`, `ConstantOfShape`, products, joins, padding), from constants or
from what is in a picture, so that nobody can tell by reading it. ONNX Runtime's arena has a limit instead.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tbft_artifacts.input_shape import InputShape

_FLOOR = 256 << 20
# Weights: themselves, packed, turned, and as they were.
_TIMES_WEIGHTS = 8
# For each pixel of each image that is under way. A forward pass holds a few activations of at most some hundred
# channels (Wide ResNet 28-10 at 32 px: 3 KiB); training holds all of them, and their gradients (54 KiB).
_FORWARD, _TRAINING = 8 << 10, 96 << 10
# Networks for larger images have few channels at full size: what is beyond so many pixels takes a fourth.
_SMALL, _SHARE = 64**2, 4


@dataclass(frozen=True)
class Room:
    """What a session has to do: so many images of a shape at the same time; `trains`: also backward."""

    images: int
    shape: InputShape
    trains: bool = False

    def bytes(self, weights: int) -> int:
        """The most bytes, with so many bytes of weights."""
        pixels = self.shape.pixels
        counted = min(pixels, _SMALL) + max(0, pixels - _SMALL) // _SHARE
        each = _TRAINING if self.trains else _FORWARD
        return min(_FLOOR + _TIMES_WEIGHTS * weights + self.images * counted * each, sys.maxsize)
