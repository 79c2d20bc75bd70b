"""What models between the base model and the trained one know, of the new data and of the old."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tbft_artifacts.structs import Part

# Of the way from the base model to the trained one.
SHARES = tuple(tenths / 10 for tenths in range(11))


class Blend(msgspec.Struct, frozen=True, kw_only=True):
    """A model `share` of the way from the base model (0) to the trained one (1)."""

    share: Part
    accuracy: Part
    """The part (0 to 1) of the validation images that is right."""
    old_accuracy: Part
    """The same of the kept images of the source domain."""

    @property
    def mean(self) -> float:
        """Both count alike."""
        return (self.accuracy + self.old_accuracy) / 2


def best_blend(blends: Sequence[Blend]) -> Blend | None:
    """That of the best mean of both accuracies; of equal ones the one that was trained most."""
    return max(blends, key=lambda blend: (blend.mean, blend.share), default=None)
