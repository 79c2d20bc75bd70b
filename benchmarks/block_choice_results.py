"""What `benchmarks.block_choice` found: the truth about each case, and what the device chose."""

from __future__ import annotations

import msgspec

from tbft_edge.reproduce.blocks import PaperBlock

# A block within so many points of the best one is right, too.
TOLERANCE_POINTS = 1.0


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One case: accuracy (0 to 1) on `test_images` of each block when it is trained, and the block that was named.

    The decision took `seconds`; `saved_seconds` is what training the other blocks took, to find out otherwise.
    """

    case: str
    seed: int
    accuracy: dict[PaperBlock, float]
    test_images: int
    chosen: PaperBlock
    reason: str
    seconds: float
    saved_seconds: float

    @property
    def best(self) -> PaperBlock:
        return max(self.accuracy, key=lambda block: self.accuracy[block])

    @property
    def lost_points(self) -> float:
        """How far the chosen block is below the best one, in points of accuracy."""
        return self._lost_with(self.chosen)

    @property
    def is_right(self) -> bool:
        return self.is_right_with(self.chosen)

    def is_right_with(self, block: PaperBlock) -> bool:
        """Whether naming `block` would have been right."""
        return round(self._lost_with(block), 6) <= TOLERANCE_POINTS

    def _lost_with(self, block: PaperBlock) -> float:
        return 100 * (self.accuracy[self.best] - self.accuracy[block])


class BlockChoices(msgspec.Struct, frozen=True):
    """Every case."""

    choices: tuple[Choice, ...]
