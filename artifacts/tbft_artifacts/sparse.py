"""Convolutions of which a device trains some output channels only: sparse updates."""

from __future__ import annotations

import math

from tbft_artifacts.structs import Large, Shape, Struct


class SparseLayer(Struct, frozen=True):
    """A convolution whose weight, of `shape` (K, C / groups, kh, kw), is trained in the rows of chosen output channels.

    `row_flops`: floating-point operations of the gradient of one row, for one image; so many take the channel's
    own outputs in the forward pass, too.
    """

    weight: str
    shape: Shape
    row_flops: Large

    @property
    def rows(self) -> str:
        """Input of the gradient graph: the rows of the chosen channels, (k, C / groups, kh, kw) float32; k may be 0."""
        return f"{self.weight}.rows"

    @property
    def channels(self) -> str:
        """Input of the gradient graph: which output channels those rows are, (k,) int64, ascending."""
        return f"{self.weight}.channels"

    @property
    def fisher(self) -> str:
        """Output of the graph that scores: Fisher information of each output channel, (K,) float32."""
        return f"{self.weight}.fisher"

    @property
    def row_values(self) -> int:
        """Trained values in one row."""
        return math.prod(self.shape[1:])


class SparseUpdate(Struct, frozen=True):
    """The convolutions among whose channels a device chooses, in the order of the graph."""

    layers: tuple[SparseLayer, ...]
