"""Whether labels say that answers are wrong more often than a model that is this sure should be."""

from __future__ import annotations

from math import comb

# Networks are surer than they are right.
_TOO_SURE = 0.1
LEVEL = 0.01
FEWEST = 8


def are_wrong(right: int, images: int, confidence: float) -> bool:
    """Of `images` that somebody labelled `right` were answered rightly, with this mean confidence (0 to 1).

    The binomial test: so few would be right with a chance below `LEVEL`.
    """
    if images < FEWEST:
        return False
    expected = max(0.0, min(1.0, confidence) - _TOO_SURE)
    chance = sum(
        comb(images, count) * expected**count * (1 - expected) ** (images - count) for count in range(right + 1)
    )
    return chance < LEVEL
